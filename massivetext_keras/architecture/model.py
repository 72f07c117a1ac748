"""What the shapes of all models have, Transformers or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from massivetext_keras.architecture.weights import count, layout
from massivetext_keras.support.values import Config, choose


class ModelConfig(Config):
    """The shape of a model, as one frozen value.

    A kind of model is a subclass: a frozen dataclass with the fields `stack` to
    `logit_bias`, and with what is below of the rest.

    Attributes:
        stacks: what its `stack` can be; no other kind has one of them.
        encoder_decoders: those of them that read one text and write another.
        stack: which of them it is.
        vocabulary_size: rows of the token embedding.
        num_layers: of an encoder-decoder, those of the encoder.
        num_decoder_layers: those of the decoder (None: as many).
        hidden_size: width of hidden states.
        embedding_size: width of the embeddings (None: `hidden_size`).
        max_length: longest text, in tokens.
        dropout: rate, of what it says.
        tied_embeddings: the output layer is the token embedding's transpose.
        logit_scale: hidden states are multiplied by it before the output layer.
        logit_bias: a bias per token of the output layer.
        segment_types: rows of the segment embedding (0: it has none).
        position_offset: rows of learned positions before the first.
        pooler: a tanh projection of the first token.
        head: of a classifier on it that asks for none.
        crf: whether the tags of a tagger on it that does not say are a linear chain.
    """

    stacks: tuple[str, ...] = ()
    encoder_decoders: tuple[str, ...] = ()
    stack: str
    vocabulary_size: int
    num_layers: int
    num_decoder_layers: int | None = None
    hidden_size: int
    embedding_size: int | None
    max_length: int
    dropout: float
    tied_embeddings: bool
    logit_scale: float
    logit_bias: bool
    segment_types: int = 0
    position_offset: int = 0
    pooler: bool = False
    head: str = "pooled"
    crf: bool = False

    @property
    def directions(self) -> int:
        """In how many directions the states of tokens read, side by side."""
        return 1

    @property
    def reads_spelling(self) -> bool:
        """Whether it reads words and the bytes behind each of them."""
        return False

    @property
    def width_of_embedding(self) -> int:
        """Width of the token embedding."""
        return self.hidden_size

    @property
    def width_of_output(self) -> int:
        """Width of what the output layer reads."""
        return self.width_of_embedding

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether it reads one text and writes another."""
        return self.stack in self.encoder_decoders

    @property
    def decoder_layers(self) -> int:
        """Layers of an encoder-decoder's decoder."""
        return self.num_decoder_layers or self.num_layers

    @property
    def numbers_per_place(self) -> int:
        """Numbers that a token takes in the cache of decoding (0: the cache does not
        grow with the text)."""
        raise NotImplementedError

    def weight_tree(self) -> dict[str, Any]:
        """The weights of the model with its output layer, see `weights.weights`."""
        raise NotImplementedError

    def parameter_count(self) -> int:
        """Weights of the model with its output layer, counted without building it.

        A head that a task adds is not among them.

        >>> from massivetext_keras.configs import TransformerConfig
        >>> TransformerConfig(vocabulary_size=50257).parameter_count()
        124439808
        """
        return count(layout(self).values())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """As `Config.from_dict`; of `ModelConfig` itself the kind whose `stack` it is.

        Raises:
            UnknownName: no kind has such a stack.
        """
        if cls is ModelConfig:
            kinds = {x: kind for kind in cls.__subclasses__() for x in kind.stacks}
            kind = choose("stack", values.get("stack", "decoder"), kinds)
            return kind.from_dict(values)
        return super().from_dict(values)

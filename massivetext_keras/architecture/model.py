"""What the shapes of all models have, Transformers or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.weights import count, layout
from massivetext_keras.support.values import Config, choose


class ModelConfig(Config):
    """The shape of a model, as one frozen value.

    A kind of model is a subclass: a frozen dataclass with the fields `stack`,
    `vocabulary_size`, `num_layers`, `hidden_size`, `max_length`, `tied_embeddings`,
    `logit_scale` and `logit_bias`, and with what is below.

    Attributes:
        stacks: what its `stack` can be; no other kind has one of them.
        encoder_decoders: those of them that read one text and write another.
        head: of a classifier on it that asks for none.
        crf: whether the tags of a tagger on it that does not say are a linear chain.
        directions: in how many directions the states of tokens read, side by side.
        reads_spelling: whether it reads words and the bytes behind each of them.
    """

    stacks = ()
    encoder_decoders = ()
    head = "pooled"
    crf = False
    directions = 1
    reads_spelling = False

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
        """Whether it reads one text and writes another; it has `decoder_layers`."""
        return self.stack in self.encoder_decoders

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
    def from_dict(cls, values: Mapping[str, Any]):
        """As `Config.from_dict`; of `ModelConfig` itself the kind whose `stack` it is.

        Raises:
            UnknownName: no kind has such a stack.
        """
        if cls is ModelConfig:
            kinds = {x: kind for kind in cls.__subclasses__() for x in kind.stacks}
            kind = choose("stack", values.get("stack", "decoder"), kinds)
            return kind.from_dict(values)
        return super().from_dict(values)

"""The shape of a recurrent encoder-decoder with attention as one frozen value."""

from __future__ import annotations

import dataclasses
from typing import Any

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.recurrent import DIRECTIONS, GATES, layer_leaves
from massivetext_keras.architecture.weights import Leaf, dense_leaves, embedding_leaf
from massivetext_keras.support.values import setting


@dataclasses.dataclass(frozen=True)
class RecurrentSeq2SeqConfig(ModelConfig):
    """The shape of a recurrent encoder-decoder (Bahdanau et al., 2015; Luong et al.,
    2015).

    The encoder reads the source from its end to its beginning and, if it is
    bidirectional, from its beginning to its end as well; the decoder's states begin
    with what it has read up to the first token.

    Attributes:
        stack: "recurrent_seq2seq".
        cell: "rnn", "gru" or "lstm", see `RecurrentConfig`.
        vocabulary_size: rows of a token embedding.
        num_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder (None: as many).
        hidden_size: width of a state, in the encoder of each direction.
        embedding_size: width of the embeddings (None: `hidden_size`).
        output_size: width of what the output layer reads (None: `hidden_size`; with
            tied embeddings it is that of the embeddings).
        bidirectional: whether each layer of the encoder reads in both directions
            (Schuster & Paliwal, 1997).
        bridge: how the decoder's states begin: "dense", as a product of what the
            encoder's last layer ends with (Bahdanau et al., 2015), or "copy", as what
            the layer of the encoder ends with that is as far up (Sutskever et al.,
            2014).
        attention: how well a state of the decoder fits a token of the source:
            "additive", v · tanh(W s + U h) (Bahdanau et al., 2015), or
            "multiplicative", s · W h (Luong et al., 2015).
        attention_size: width of the additive sum (None: `hidden_size`).
        query: whose state looks at the source: that "after" the token was read (Luong
            et al., 2015), or that "before", so that the token, what was found and the
            new state are read by the output layer (Bahdanau et al., 2015).
        input_feeding: a step reads what attention has found, with its token: the
            context of the query "before", or the attentional vector of the step before
            (Luong et al., 2015).
        readout: what makes the vector that the output layer reads: "tanh", or "maxout"
            of two (Goodfellow et al., 2013), which goes with the query "before".
        max_length: tokens that a text is read and written with at the most; a state
            itself has no bound.
        dropout: rate on what the output layer reads.
        input_dropout: rate on the embeddings (None: `dropout`).
        hidden_dropout: rate between layers, and on what the encoder gives (None:
            `dropout`).
        forget_bias: what the bias of an LSTM's forget gate begins with.
        shared_embeddings: the encoder and the decoder look tokens up in one table.
        tied_embeddings: the output layer is the decoder's token embedding.
        logit_scale: hidden states are multiplied by it before the output layer.
        logit_bias: a bias per token of the output layer.

    Raises:
        ValueError: a value is out of range, or two do not go together.
    """

    stacks = ("recurrent_seq2seq",)
    encoder_decoders = stacks

    stack: str = setting("recurrent_seq2seq", choices=stacks)
    cell: str = setting("gru", choices=tuple(GATES))
    vocabulary_size: int = setting(10000, least=1)
    num_layers: int = setting(1, least=1)
    num_decoder_layers: int | None = setting(None, least=1)
    hidden_size: int = setting(512, least=1)
    embedding_size: int | None = setting(None, least=1)
    output_size: int | None = setting(None, least=1)
    bidirectional: bool = True
    bridge: str = setting("dense", choices=("dense", "copy"))
    attention: str = setting("additive", choices=("additive", "multiplicative"))
    attention_size: int | None = setting(None, least=1)
    query: str = setting("after", choices=("after", "before"))
    input_feeding: bool = True
    readout: str = setting("tanh", choices=("tanh", "maxout"))
    max_length: int = setting(256, least=1)
    dropout: float = setting(0.0, least=0, below=1)
    input_dropout: float | None = setting(None, least=0, below=1)
    hidden_dropout: float | None = setting(None, least=0, below=1)
    forget_bias: float = 1.0
    shared_embeddings: bool = True
    tied_embeddings: bool = True
    logit_scale: float = 1.0
    logit_bias: bool = True

    def __post_init__(self):
        super().__post_init__()
        if self.bridge == "copy" and self.decoder_layers != self.num_layers:
            raise ValueError(
                f'bridge="copy" needs as many layers on both sides, not '
                f"num_layers={self.num_layers} and "
                f"num_decoder_layers={self.decoder_layers}"
            )
        if self.readout == "maxout" and self.query != "before":
            raise ValueError('readout="maxout" needs query="before"')
        if self.tied_embeddings and self.output_size not in (
            None,
            self.width_of_embedding,
        ):
            raise ValueError(
                f"output_size={self.output_size}: with tied_embeddings it is the width "
                f"of the embeddings, {self.width_of_embedding}"
            )
        if self.attention_size is not None and self.attention != "additive":
            raise ValueError(
                f'attention_size={self.attention_size} is of attention="additive"'
            )

    @property
    def width_of_embedding(self) -> int:
        """Width of the token embeddings."""
        return self.embedding_size or self.hidden_size

    @property
    def width_of_output(self) -> int:
        """Width of what the output layer reads."""
        if self.tied_embeddings:
            return self.width_of_embedding
        return self.output_size or self.hidden_size

    @property
    def encoder_directions(self) -> tuple[str, ...]:
        """In which the encoder reads, the last of them from the end."""
        return DIRECTIONS if self.bidirectional else DIRECTIONS[1:]

    @property
    def width_of_memory(self) -> int:
        """Width of what the encoder gives for each token."""
        return self.hidden_size * len(self.encoder_directions)

    @property
    def width_of_keys(self) -> int:
        """Width of what a query is compared with."""
        return self.attention_size or self.hidden_size

    @property
    def width_fed(self) -> int:
        """Width of what a step of the decoder reads beside its token."""
        if not self.input_feeding:
            return 0
        return self.width_of_output if self.query == "after" else self.width_of_memory

    @property
    def states(self) -> int:
        """Tensors of a layer's state."""
        return 2 if self.cell == "lstm" else 1

    @property
    def rate_of_input(self) -> float:
        """Dropout rate on the embeddings."""
        rate = self.input_dropout
        return self.dropout if rate is None else rate

    @property
    def rate_between(self) -> float:
        """Dropout rate between layers, and on what the encoder gives."""
        rate = self.hidden_dropout
        return self.dropout if rate is None else rate

    @property
    def numbers_per_place(self) -> int:
        """None: a state is as large after any number of tokens."""
        return 0

    def weight_tree(self) -> dict[str, Any]:
        rows, e, d = self.vocabulary_size, self.width_of_embedding, self.hidden_size
        m, out = self.width_of_memory, self.width_of_output
        tree: dict[str, Any] = {"tokens": embedding_leaf(rows, e)}
        if not self.shared_embeddings:
            tree["encoder_tokens"] = embedding_leaf(rows, e)
        names = self.encoder_directions
        tree["encoder"] = {
            f"block_{i}": {name: self._layer(m if i else e) for name in names}
            for i in range(self.num_layers)
        }
        tree["decoder"] = decoder = {
            f"block_{i}": self._layer(d if i else e + self.width_fed)
            for i in range(self.decoder_layers)
        }
        if self.bridge == "dense":
            begins = (d,) * (self.decoder_layers * self.states)
            decoder["bridge"] = dense_leaves(d, *begins)
        keys, read = self.width_of_keys, m + d
        additive = self.attention == "additive"
        attention: dict[str, Any] = {"keys": dense_leaves(m, keys, bias=additive)}
        if additive:
            attention["query"] = dense_leaves(d, keys, bias=False)
            attention["vector"] = Leaf(((keys,),), "gate")
        decoder["attention"] = attention
        if self.query == "before":
            read, out = read + e, out * (1 + (self.readout == "maxout"))
        decoder["readout"] = dense_leaves(read, out)
        if not self.tied_embeddings:
            tree["output"] = embedding_leaf(rows, self.width_of_output)
        if self.logit_bias:
            tree["logit_bias"] = Leaf(((rows,),), "bias")
        return tree

    def _layer(self, inputs: int) -> dict[str, Any]:
        return layer_leaves(self.cell, inputs, self.hidden_size)

"""The shape of a recurrent language model as one frozen value."""

from __future__ import annotations

import dataclasses
from typing import Any

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.weights import Leaf, dense_leaves, embedding_leaf
from massivetext_keras.support.values import setting

# Gates of a cell, by which its products are wider than its state.
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# In which a text is read; where there are two, in this order.
DIRECTIONS = ("forwards", "backwards")


def layer_leaves(
    cell: str, inputs: int, units: int, recurrent_bias: bool = False
) -> dict[str, Any]:
    """The weights of a recurrent layer."""
    parts = (units,) * GATES[cell]
    layer: dict[str, Any] = {
        "projection": dense_leaves(inputs, *parts),
        "recurrent_kernel": Leaf((units, parts), "matrix"),
    }
    if recurrent_bias:
        layer["recurrent_bias"] = Leaf((parts,), "bias")
    return layer


@dataclasses.dataclass(frozen=True)
class RecurrentConfig(ModelConfig):
    """The shape of a recurrent language model (Mikolov et al., 2010).

    With tied embeddings the last layer is as wide as a row of the embedding, as in the
    AWD-LSTM (Merity et al., 2018).

    Attributes:
        stack: "recurrent".
        cell: "rnn" (Elman, 1990), "gru" (Cho et al., 2014; its reset gate follows the
            product, as in cuDNN) or "lstm" (Hochreiter & Schmidhuber, 1997; Gers et
            al., 2000).
        vocabulary_size: rows of the token embedding.
        num_layers: layers, each with a state of its own.
        hidden_size: width of a layer's state.
        embedding_size: width of the embeddings (None: `hidden_size`).
        max_length: tokens that a text is read and written with at the most; a state
            itself has no bound.
        dropout: rate on what the last layer gives.
        input_dropout: rate on what the first layer reads (None: `dropout`).
        hidden_dropout: rate between layers (None: `dropout`).
        embedding_dropout: share of the vocabulary whose rows are zero in a batch (Gal &
            Ghahramani, 2016).
        recurrent_dropout: rate on the state that a step reads, the same features at
            every step (Gal & Ghahramani, 2016).
        weight_dropout: rate on the products with the state (Merity et al., 2018).
        variational: the other dropouts, too, leave out the same features at every step
            of a row.
        recurrent_bias: the product with the state has a bias, too, as in cuDNN; of a
            "gru" it goes through the reset gate.
        forget_bias: what the bias of an LSTM's forget gate begins with (Jozefowicz et
            al., 2015).
        tied_embeddings: the output layer is the token embedding's transpose.
        logit_scale: hidden states are multiplied by it before the output layer.
        logit_bias: a bias per token of the output layer.
    """

    stacks = ("recurrent",)

    stack: str = setting("recurrent", choices=stacks)
    cell: str = setting("lstm", choices=tuple(GATES))
    vocabulary_size: int = setting(10000, least=1)
    num_layers: int = setting(2, least=1)
    hidden_size: int = setting(650, least=1)
    embedding_size: int | None = setting(None, least=1)
    max_length: int = setting(1024, least=1)
    dropout: float = setting(0.0, least=0, below=1)
    input_dropout: float | None = setting(None, least=0, below=1)
    hidden_dropout: float | None = setting(None, least=0, below=1)
    embedding_dropout: float = setting(0.0, least=0, below=1)
    recurrent_dropout: float = setting(0.0, least=0, below=1)
    weight_dropout: float = setting(0.0, least=0, below=1)
    variational: bool = True
    recurrent_bias: bool = False
    forget_bias: float = 1.0
    tied_embeddings: bool = True
    logit_scale: float = 1.0
    logit_bias: bool = True

    @property
    def width_of_embedding(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    @property
    def width_of_output(self) -> int:
        """Width of what the output layer reads."""
        return self.width_of_embedding if self.tied_embeddings else self.hidden_size

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the embedding and, behind it, of the state of each layer.

        >>> RecurrentConfig(num_layers=3, hidden_size=1150, embedding_size=400).widths
        (400, 1150, 1150, 400)
        """
        inner = (self.hidden_size,) * (self.num_layers - 1)
        return (self.width_of_embedding, *inner, self.width_of_output)

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """On what each layer reads, and on what the last one gives."""
        before, between = self.input_dropout, self.hidden_dropout
        first = self.dropout if before is None else before
        inner = self.dropout if between is None else between
        return (first, *(inner,) * (self.num_layers - 1), self.dropout)

    @property
    def numbers_per_place(self) -> int:
        """None: a state is as large after any number of tokens."""
        return 0

    def weight_tree(self) -> dict[str, Any]:
        rows, widths = self.vocabulary_size, self.widths
        stack = {
            f"block_{i}": layer_leaves(
                self.cell, widths[i], widths[i + 1], self.recurrent_bias
            )
            for i in range(self.num_layers)
        }
        tree = {"tokens": embedding_leaf(rows, self.width_of_embedding), "stack": stack}
        if not self.tied_embeddings:
            tree["output"] = embedding_leaf(rows, self.width_of_output)
        if self.logit_bias:
            tree["logit_bias"] = Leaf(((rows,),), "bias")
        return tree

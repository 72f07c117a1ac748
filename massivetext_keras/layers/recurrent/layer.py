"""A recurrent layer: its weights, and a cell over the tokens of its rows."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.kernels.recurrence.cells import CELLS, States
from massivetext_keras.kernels.recurrence.scan import Rules, scan
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout


class RecurrentLayer(keras.layers.Layer):
    """A recurrent cell over the tokens of rows, one after another.

    Args:
        cell: "rnn", "gru" or "lstm", see `architecture.recurrent.RecurrentConfig`.
        units: width of the state.
        recurrent_dropout: rate on the state that a step reads, the same features at
            every step (Gal & Ghahramani, 2016).
        weight_dropout: rate on the products with the state (Merity et al., 2018).
        recurrent_bias: whether the product with the state has a bias, too.
        forget_bias: what the bias of an LSTM's forget gate begins with.

    >>> import tensorflow as tf
    >>> layer = RecurrentLayer("lstm", 3)
    >>> layer.build((None, None, 2))
    >>> given, states = layer(tf.ones([5, 1, 2]), layer.empty_states(1))
    >>> given.shape, len(states)
    (TensorShape([5, 1, 3]), 2)
    """

    matrix_place = "recurrent_kernel"  # of `layers.stored`

    def __init__(
        self,
        cell: str,
        units: int,
        recurrent_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        recurrent_bias: bool = False,
        forget_bias: float = 1.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # states keep their dtypes
        self.cell, self.units, self.bias = CELLS[cell], units, recurrent_bias
        first = [forget_bias * (cell == "lstm" and i == 1) for i in range(4)]
        policy, width = self.dtype_policy, self.cell.gates * units
        self.projection = Dense(
            width,
            bias_initializer=lambda shape, dtype: tf.repeat(
                tf.constant(first[: self.cell.gates], dtype), units
            ),
            dtype=policy,
            name="projection",
        )
        self.weight_dropout = Dropout(weight_dropout, dtype=policy, name="weights")
        self.state_dropout = Dropout(recurrent_dropout, dtype=policy, name="state")

    def build(self, input_shape):
        # With the usual 0.02, hardly anything would get through two layers of gates.
        self.projection.kernel_initializer = first_weights(input_shape[-1])
        self.projection.build(input_shape)
        shape = (self.units, self.cell.gates * self.units)
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=shape,
            initializer=first_weights(self.units),
            autocast=False,
        )
        self.recurrent_bias = None
        if self.bias:
            self.recurrent_bias = self.add_weight(
                name="recurrent_bias",
                shape=shape[1:],
                initializer="zeros",
                autocast=False,
            )

    def empty_states(self, rows: int | tf.Tensor) -> States:
        """The states before the first token of some rows."""
        kinds = [self.compute_dtype, "float32"][: self.cell.states]
        return tuple(tf.zeros([rows, self.units], kind) for kind in kinds)

    def call(
        self,
        x: tf.Tensor,
        states: States,
        keep: tf.Tensor | None = None,
        training: bool | None = None,
        through: bool = False,
    ) -> tuple[tf.Tensor, States]:
        """What a layer gives after each token.

        Args:
            x: [length, batch, size].
            states: before the first token, [batch, units] each.
            keep: [length, batch, 1], 0 where a row forgets its states before it reads
                a token (None: nowhere).
            training: whether a gradient is taken.
            through: whether it flows to the states before the first token, and from
                those after the last one.

        Returns:
            [length, batch, units], and the states after the last token.
        """
        dtype = self.compute_dtype
        kernel = tf.cast(tf.convert_to_tensor(self.recurrent_kernel), dtype)
        kernel = self.weight_dropout(kernel, training=training)
        projected, bias, mask = self.projection(x, training=training), None, None
        if self.recurrent_bias is not None:
            bias = tf.cast(tf.convert_to_tensor(self.recurrent_bias), dtype)
            if self.cell.of_product is None:
                projected, bias = projected + bias, None
        if training and self.state_dropout.rate:
            mask = self.state_dropout(tf.ones_like(states[0]), training=True)
        rules = Rules(keep, mask)
        return scan(self.cell, projected, kernel, states, bias, rules, through)

    def step(self, x: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """What the layer gives after one token, without dropout; gradients flow through
        the states, too.

        Args:
            x: [batch, size].
            states: before the token, [batch, units] each.

        Returns:
            [batch, units], and the states after it.
        """
        kernel = tf.cast(tf.convert_to_tensor(self.recurrent_kernel), x.dtype)
        product = tf.matmul(states[0], kernel)
        if self.recurrent_bias is not None:
            product += tf.cast(tf.convert_to_tensor(self.recurrent_bias), x.dtype)
        wide = [tf.cast(y, tf.float32) for y in (self.projection(x), product, *states)]
        after = self.cell.forward(*wide[:2], tuple(wide[2:]))
        after = tuple(tf.cast(y, z.dtype) for y, z in zip(after, states, strict=True))
        return after[0], after


def first_weights(inputs: int) -> keras.initializers.Initializer:
    """Of a product that keeps the variance of what it reads (LeCun et al., 1998)."""
    return keras.initializers.RandomNormal(stddev=inputs**-0.5)

"""A recurrent layer that reads rows from their ends, and from their beginnings."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.layers.recurrent.layer import RecurrentLayer


class BidirectionalLayer(keras.layers.Layer):
    """What two recurrent layers give that read in both directions, side by side
    (Schuster & Paliwal, 1997); or one that reads backwards.

    Args:
        cell, units, forget_bias: see `RecurrentLayer`.
        forward: whether there is one that reads forwards, too.

    >>> layer = BidirectionalLayer("gru", 3)
    >>> layer.build((None, None, 2))
    >>> given, (state,) = layer(tf.ones([5, 1, 2]))
    >>> given.shape, state.shape
    (TensorShape([5, 1, 6]), TensorShape([1, 3]))
    """

    def __init__(
        self,
        cell: str,
        units: int,
        forget_bias: float = 1.0,
        forward: bool = True,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        how = {"forget_bias": forget_bias, "dtype": self.dtype_policy}
        self.backward = RecurrentLayer(cell, units, name="backward", **how)
        self.forward = None
        if forward:
            self.forward = RecurrentLayer(cell, units, name="forward", **how)

    def build(self, input_shape):
        self.backward.build(input_shape)
        if self.forward is not None:
            self.forward.build(input_shape)

    def call(
        self,
        x: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, States]:
        """What the layer gives for each token, and the states of what reads backwards
        when it has read the first one.

        Args:
            x: [length, batch, size].
            padding_mask: int [length, batch], 0 at padding, which stands at the right
                (None: there is none).
            training: whether a gradient is taken.

        Returns:
            [length, batch, units], or twice as wide; and [batch, units] each.
        """
        rows, keep = tf.shape(x)[1], None
        if padding_mask is not None:  # nothing that was read of padding
            mask = tf.reverse(padding_mask, [0])
            begins = tf.pad(mask[1:] > mask[:-1], [[1, 0], [0, 0]])
            keep = tf.cast(~begins[:, :, None], tf.float32)
        given, states = self.backward(
            tf.reverse(x, [0]),
            self.backward.empty_states(rows),
            keep=keep,
            training=training,
            through=True,
        )
        given = tf.reverse(given, [0])
        if self.forward is not None:
            ahead, _ = self.forward(
                x, self.forward.empty_states(rows), training=training
            )
            given = tf.concat([given, ahead], axis=2)
        return given, states

    def compute_output_shape(self, input_shape, **_):
        directions = 1 if self.forward is None else 2
        return (*input_shape[:-1], directions * self.backward.units)

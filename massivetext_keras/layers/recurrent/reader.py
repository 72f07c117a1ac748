"""A recurrent layer that reads whole texts, from their beginnings or both ends."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.layers.recurrent.layer import RecurrentLayer
from massivetext_keras.layers.recurrent.rows import kept


class RecurrentReader(keras.layers.Layer):
    """A recurrent layer over whole texts, bidirectional or not (Schuster & Paliwal,
    1997).

    The state is empty where padding ends, on whichever side it is, so that a row gives
    what its text alone would give: nothing is turned around but the rows as they are.

    Args:
        cell: "rnn", "gru" or "lstm".
        units: width of the state of each direction.
        bidirectional: whether a second layer reads from the end.

    >>> reader = RecurrentReader("lstm", 4)
    >>> reader.build((None, None, 3))
    >>> reader(tf.ones([2, 5, 3]), tf.ones([2, 5], tf.int32)).shape
    TensorShape([2, 5, 8])
    """

    def __init__(self, cell: str, units: int, bidirectional: bool = True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        policy = self.dtype_policy
        self.units = units
        self.forwards = RecurrentLayer(cell, units, dtype=policy, name="forwards")
        self.backwards = None
        if bidirectional:
            self.backwards = RecurrentLayer(cell, units, dtype=policy, name="backwards")

    @property
    def width(self) -> int:
        """Of what it gives."""
        return self.units * (1 if self.backwards is None else 2)

    def build(self, input_shape):
        for layer in (self.forwards, self.backwards):
            if layer is not None:
                layer.build(input_shape)

    def call(
        self, x: tf.Tensor, mask: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """States after each token, those of both directions side by side.

        Args:
            x: [batch, length, size].
            mask: int32 [batch, length], 0 at padding, at the left or at the right.
            training: whether a gradient is taken.

        Returns:
            [batch, length, width]; at padding it means nothing.
        """
        x = tf.transpose(x, [1, 0, 2])
        given = [self._read(self.forwards, x, mask, training)]
        if self.backwards is not None:
            turned, mask = tf.reverse(x, [0]), tf.reverse(mask, [1])
            behind = self._read(self.backwards, turned, mask, training)
            given.append(tf.reverse(behind, [0]))
        return tf.transpose(tf.concat(given, axis=-1), [1, 0, 2])

    @staticmethod
    def _read(layer: RecurrentLayer, x, mask, training) -> tf.Tensor:
        states = layer.empty_states(tf.shape(x)[1])
        return layer(x, states, keep=kept(mask), training=training)[0]

    def compute_output_shape(self, input_shape, *_, **__):
        return (*input_shape[:-1], self.width)


def ends_of(states: tf.Tensor, mask: tf.Tensor, directions: int) -> tf.Tensor:
    """What each direction gives after the last token that it reads.

    Args:
        states: [batch, length, width], of `RecurrentReader`.
        mask: int [batch, length], 0 at padding.
        directions: 1, or 2: the second half of the width is read from the end.

    Returns:
        [batch, width]; of a row of padding alone it means nothing.

    >>> states = tf.constant([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    >>> ends_of(states, tf.constant([[1, 1, 0]]), 2).numpy().tolist()
    [[3.0, 2.0]]
    """
    places = tf.range(tf.shape(mask)[1])[None]
    last = tf.reduce_max(tf.where(mask > 0, places, 0), axis=1)
    if directions == 1:
        return tf.gather(states, last, batch_dims=1)
    first = tf.argmax(mask > 0, axis=1, output_type=tf.int32)
    ahead, behind = tf.split(states, 2, axis=-1)
    ends = tf.gather(ahead, last, batch_dims=1), tf.gather(behind, first, batch_dims=1)
    return tf.concat(ends, axis=-1)

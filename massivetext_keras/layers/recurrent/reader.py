"""Recurrent layers that read whole texts, from their beginnings, their ends or both."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from massivetext_keras.architecture.recurrent import DIRECTIONS
from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.layers.masks import lengths_of
from massivetext_keras.layers.recurrent.layer import RecurrentLayer
from massivetext_keras.layers.recurrent.rows import kept


class RecurrentReader(keras.layers.Layer):
    """Recurrent layers over whole texts: one that reads them from their beginnings, one
    that reads them from their ends, or both, side by side (Schuster & Paliwal, 1997).

    The state is empty where padding ends, on whichever side it is, so that a row gives
    what its text alone would give: nothing is turned around but the rows as they are.

    Args:
        cell, units, forget_bias: see `RecurrentLayer`.
        directions: some of `DIRECTIONS`, in that order.

    >>> reader = RecurrentReader("lstm", 4)
    >>> reader.build((None, None, 3))
    >>> given, states = reader(tf.ones([5, 2, 3]), tf.ones([2, 5], tf.int32))
    >>> given.shape, len(states)
    (TensorShape([5, 2, 8]), 2)
    """

    def __init__(
        self,
        cell: str,
        units: int,
        directions: Sequence[str] = DIRECTIONS,
        forget_bias: float = 1.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.directions, self.width = tuple(directions), units * len(directions)
        for name in directions:
            layer = RecurrentLayer(
                cell,
                units,
                forget_bias=forget_bias,
                dtype=self.dtype_policy,
                name=name,
            )
            setattr(self, name, layer)  # tf.train.Checkpoint skips lists

    def build(self, input_shape):
        for name in self.directions:
            getattr(self, name).build(input_shape)

    def call(
        self,
        x: tf.Tensor,
        padding_mask: tf.Tensor | None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, States]:
        """What each direction gives for each token, side by side, and the states that
        the last of them ends with.

        Args:
            x: [length, batch, size].
            padding_mask: int32 [batch, length], 0 at padding, at the left or at the
                right (None: there is none).
            training: whether a gradient is taken.

        Returns:
            [length, batch, width]; and [batch, units] each. Both mean nothing at
            padding, where the states are if padding is what is read last.
        """
        given = []
        for name in self.directions:
            layer, turns = getattr(self, name), name == "backwards"
            read, mask = x, padding_mask
            if turns:
                read = tf.reverse(x, [0])
                mask = None if mask is None else tf.reverse(mask, [1])
            begin = layer.empty_states(tf.shape(x)[1])
            made, states = layer(
                read, begin, keep=kept(mask), training=training, through=True
            )
            given.append(tf.reverse(made, [0]) if turns else made)
        return tf.concat(given, axis=-1), states

    def compute_output_shape(self, input_shape, *_, **__):
        return (*input_shape[:-1], self.width)


def ends_of(states: tf.Tensor, mask: tf.Tensor, directions: int) -> tf.Tensor:
    """What each direction gives after the last token that it reads.

    Args:
        states: [batch, length, width], what `RecurrentReader` gives.
        mask: int [batch, length], 0 at padding.
        directions: 1, or 2: the second half of the width is read from the end.

    Returns:
        [batch, width]; of a row of padding alone it means nothing.

    >>> states = tf.constant([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    >>> ends_of(states, tf.constant([[1, 1, 0]]), 2).numpy().tolist()
    [[3.0, 2.0]]
    """
    last = tf.maximum(lengths_of(mask) - 1, 0)
    if directions == 1:
        return tf.gather(states, last, batch_dims=1)
    first = tf.argmax(mask > 0, axis=1, output_type=tf.int32)
    ahead, behind = tf.split(states, 2, axis=-1)
    ends = tf.gather(ahead, last, batch_dims=1), tf.gather(behind, first, batch_dims=1)
    return tf.concat(ends, axis=-1)

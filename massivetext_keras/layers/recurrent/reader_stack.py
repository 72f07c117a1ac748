"""Recurrent layers over whole texts, one above another."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.reader import RecurrentReader


class ReaderStack(keras.layers.Layer):
    """Recurrent layers that read whole texts, with dropout between them.

    Args:
        inputs: width of what the first one reads.
        layers: how many.
        cell, units, directions, forget_bias: see `RecurrentReader`.
        dropout: its rate.

    >>> stack = ReaderStack(5, 2, "gru", 3, ("backwards",))
    >>> stack.build()
    >>> given, ends = stack(tf.ones([4, 1, 5]))
    >>> given.shape, len(ends)
    (TensorShape([4, 1, 3]), 2)
    """

    def __init__(
        self,
        inputs: int,
        layers: int,
        cell: str,
        units: int,
        directions: Sequence[str],
        forget_bias: float = 1.0,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.inputs, policy = inputs, self.dtype_policy
        self.dropout = Dropout(dropout, dtype=policy, name="dropout")
        self.blocks = []
        for i in range(layers):
            given = cell, units, directions, forget_bias
            block = RecurrentReader(*given, dtype=policy, name=f"block_{i}")
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)

    def build(self, input_shape=None):
        width = self.inputs
        for block in self.blocks:
            block.build((None, None, width))
            width = block.width

    def call(
        self,
        x: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tuple[States, ...]]:
        """What the last layer gives for each token, and what each layer ends with.

        Args:
            x: [length, batch, e].
            padding_mask, training: see `RecurrentReader.call`.

        Returns:
            [length, batch, width], and [batch, units] each.
        """
        ends = []
        for i, block in enumerate(self.blocks):
            if i:
                x = self.dropout(x, training=training)
            x, states = block(x, padding_mask, training=training)
            ends.append(states)
        return x, tuple(ends)

    def compute_output_shape(self, input_shape, *_, **__):
        return self.blocks[-1].compute_output_shape(input_shape)

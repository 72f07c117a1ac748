"""The layers of a recurrent model, and dropout between them."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.recurrent import RecurrentConfig
from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.layer import RecurrentLayer


class RecurrentStack(keras.layers.Layer):
    """Recurrent layers, each of which reads what the one below gives.

    Args:
        config: the shape.
    """

    def __init__(self, config: RecurrentConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config, policy = config, self.dtype_policy
        self.blocks = []
        for i, units in enumerate(config.widths[1:]):
            block = RecurrentLayer(
                config.cell,
                units,
                config.recurrent_dropout,
                config.weight_dropout,
                config.recurrent_bias,
                config.forget_bias,
                dtype=policy,
                name=f"block_{i}",
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)
        self.dropouts = [
            Dropout(rate, dtype=policy, name=f"dropout_{i}")
            for i, rate in enumerate(config.dropout_rates)
        ]

    def build(self, input_shape=None):
        for block, width in zip(self.blocks, self.config.widths[:-1], strict=True):
            block.build((None, None, width))

    def empty_states(self, rows: int | tf.Tensor) -> tuple[States, ...]:
        """The states of every layer before the first token of some rows."""
        return tuple(block.empty_states(rows) for block in self.blocks)

    def call(
        self,
        x: tf.Tensor,
        states: tuple[States, ...],
        keep: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tuple[States, ...]]:
        """What the last layer gives after each token.

        Args:
            x: [length, batch, e].
            states: of every layer before the first token.
            keep: see `RecurrentLayer.call`.
            training: whether a gradient is taken.

        Returns:
            [length, batch, d], and the states of every layer after the last token.
        """
        *before, last = self.dropouts
        after = []
        for block, dropout, old in zip(self.blocks, before, states, strict=True):
            read = self._drop(dropout, x, training)
            x, new = block(read, old, keep=keep, training=training)
            after.append(new)
        return self._drop(last, x, training), tuple(after)

    def step(
        self, x: tf.Tensor, states: tuple[States, ...]
    ) -> tuple[tf.Tensor, tuple[States, ...]]:
        """What the last layer gives after one token; see `RecurrentLayer.step`."""
        after = []
        for block, old in zip(self.blocks, states, strict=True):
            x, new = block.step(x, old)
            after.append(new)
        return x, tuple(after)

    def _drop(self, dropout: Dropout, x: tf.Tensor, training: bool | None) -> tf.Tensor:
        """Dropout, of a variational model the same at every step."""
        if not (training and dropout.rate and self.config.variational):
            return dropout(x, training=training)
        return x * dropout(tf.ones_like(x[0]), training=True)

    def compute_output_shape(self, input_shape, **_):
        return (*input_shape[:-1], self.config.widths[-1])

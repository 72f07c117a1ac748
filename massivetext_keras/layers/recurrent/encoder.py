"""The encoder of a recurrent encoder-decoder."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.recurrent_seq2seq import RecurrentSeq2SeqConfig
from massivetext_keras.kernels.recurrence.cells import States
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.reader import RecurrentReader


class RecurrentEncoder(keras.layers.Layer):
    """Layers that read a text in one direction or both.

    Args:
        config: the shape.
    """

    def __init__(self, config: RecurrentSeq2SeqConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config, policy = config, self.dtype_policy
        self.blocks = []
        for i in range(config.num_layers):
            block = RecurrentReader(
                config.cell,
                config.hidden_size,
                config.encoder_directions,
                config.forget_bias,
                dtype=policy,
                name=f"block_{i}",
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)
        self.dropout = Dropout(config.rate_between, dtype=policy, name="dropout")

    def build(self, input_shape=None):
        width = self.config.width_of_embedding
        for block in self.blocks:
            block.build((None, None, width))
            width = self.config.width_of_memory

    def call(
        self,
        x: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, tuple[States, ...]]:
        """What the last layer gives for each token.

        Args:
            x: [length, batch, e].
            padding_mask: int [batch, length], 0 at padding, which stands at the right.
            training: whether a gradient is taken.

        Returns:
            [length, batch, m], and what each layer ends with at the first token,
            [batch, d] each.
        """
        ends = []
        for block in self.blocks:
            x, states = block(x, padding_mask, training=training)
            x = self.dropout(x, training=training)
            ends.append(states)
        return x, tuple(ends)

    def compute_output_shape(self, input_shape, **_):
        return (*input_shape[:-1], self.config.width_of_memory)

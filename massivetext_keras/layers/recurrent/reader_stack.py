"""Recurrent layers over whole texts, one above another."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.recurrent import DIRECTIONS
from massivetext_keras.architecture.word_encoder import WordEncoderConfig
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.recurrent.reader import RecurrentReader


class ReaderStack(keras.layers.Layer):
    """Recurrent layers that read whole texts, with dropout between them.

    Args:
        config: the shape.
    """

    def __init__(self, config: WordEncoderConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config, policy = config, self.dtype_policy
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        self.blocks = []
        for i in range(config.num_layers):
            block = RecurrentReader(
                config.cell,
                config.hidden_size // config.directions,
                DIRECTIONS[: config.directions],
                dtype=policy,
                name=f"block_{i}",
            )
            setattr(self, f"block_{i}", block)  # tf.train.Checkpoint skips lists
            self.blocks.append(block)

    def build(self, input_shape=None):
        width = self.config.width_of_words
        for block in self.blocks:
            block.build((None, None, width))
            width = block.width

    def call(
        self, x: tf.Tensor, mask: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """[batch, length, e] and int32 [batch, length] -> [batch, length, d]."""
        x = tf.transpose(x, [1, 0, 2])  # steps are rows from here on
        for i, block in enumerate(self.blocks):
            if i:
                x = self.dropout(x, training=training)
            x, _ = block(x, mask, training=training)
        return tf.transpose(x, [1, 0, 2])

    def compute_output_shape(self, input_shape, *_, **__):
        return (*input_shape[:-1], self.config.hidden_size)

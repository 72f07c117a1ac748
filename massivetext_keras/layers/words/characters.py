"""Features of words from the bytes that spell them: a convolution over each word."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.word_encoder import (
    BYTES,
    CHARACTER_WIDTH,
    WordEncoderConfig,
)
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.embeddings import TokenEmbedding


class CharacterFeatures(keras.layers.Layer):
    """For each byte a product with its neighbours in the word, and of each feature the
    largest value over the bytes of a word (Ma & Hovy, 2016; Dos Santos & Zadrozny,
    2014).

    Words are read where they stand in the rows: no word is padded to the longest one.

    Args:
        config: the shape.
    """

    def __init__(self, config: WordEncoderConfig, **kwargs):
        super().__init__(**kwargs)
        policy, size = self.dtype_policy, config.character_size
        self.bytes = TokenEmbedding(
            len(BYTES), size, scale=size**-0.5, dtype=policy, name="bytes"
        )
        self.dropout = Dropout(config.dropout, dtype=policy, name="dropout")
        self.product = Dense(
            config.character_maps,
            scale=(CHARACTER_WIDTH * size) ** -0.5,
            dtype=policy,
            name="product",
        )
        self.width = CHARACTER_WIDTH * size

    def build(self, input_shape=None):
        self.bytes.build((None, None))
        self.product.build((None, None, self.width))

    def call(
        self,
        token_ids: tf.Tensor,
        words: tf.Tensor,
        count: tf.Tensor,
        training: bool | None = None,
    ) -> tf.Tensor:
        """The features of the words of a batch.

        Args:
            token_ids: int32 [batch, length], words and behind each its bytes.
            words: int32 [batch, length], the number in its row of the word that a
                token is of.
            count: int32 scalar, words of a row.
            training: whether a gradient is taken.

        Returns:
            [batch, count, maps]; 0 of a word without any byte.
        """
        is_byte = (token_ids >= BYTES.start) & (token_ids < BYTES.stop)
        x = self.bytes(tf.where(is_byte, token_ids - BYTES.start, 0))
        real = tf.cast(is_byte, x.dtype)[..., None]
        x = self.dropout(x, training=training) * real
        # A word's own token, which has no byte, stands between it and the one before.
        behind = tf.pad(x[:, :-1], [[0, 0], [1, 0], [0, 0]])
        ahead = tf.pad(x[:, 1:], [[0, 0], [0, 1], [0, 0]])
        x = self.product(tf.concat([behind, x, ahead], axis=-1), training=training)
        # Values below 0 are those of no word: what a word without bytes has is 0.
        x = tf.nn.relu(x) * real
        batch = tf.shape(token_ids)[0]
        rows = words + tf.range(batch)[:, None] * count
        flat = tf.reshape(x, [-1, x.shape[-1]])
        found = tf.math.unsorted_segment_max(
            flat, tf.reshape(rows, [-1]), batch * count
        )
        found = tf.maximum(found, 0.0)  # of words that no token is of
        return tf.reshape(found, [batch, count, x.shape[-1]])

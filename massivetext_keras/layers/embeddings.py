"""Token embeddings, which are also the output layer where weights are tied."""

from __future__ import annotations

import keras
import tensorflow as tf


class TokenEmbedding(keras.layers.Layer):
    """A row per token; used in reverse it scores every token (Press & Wolf, 2017).

    Args:
        vocabulary_size: rows.
        hidden_size: columns d.

    >>> import tensorflow as tf
    >>> TokenEmbedding(10, 4)(tf.constant([[1, 2, 3]])).shape
    TensorShape([1, 3, 4])
    """

    def __init__(self, vocabulary_size: int, hidden_size: int, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size, self.hidden_size = vocabulary_size, hidden_size

    def build(self, *_):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, self.hidden_size),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            autocast=False,
        )

    def matrix(self) -> tf.Tensor:
        """[vocabulary_size, d] in the dtype of computations."""
        return tf.cast(tf.convert_to_tensor(self.embeddings), self.compute_dtype)

    def call(self, token_ids: tf.Tensor) -> tf.Tensor:
        """int [batch, length] -> [batch, length, d]."""
        # Rows are cast, not the table: their gradients are summed in float32.
        rows = tf.gather(tf.convert_to_tensor(self.embeddings), token_ids)
        return tf.cast(rows, self.compute_dtype)

    def get_config(self):
        fields = "vocabulary_size hidden_size"
        return {**super().get_config(), **{k: getattr(self, k) for k in fields.split()}}

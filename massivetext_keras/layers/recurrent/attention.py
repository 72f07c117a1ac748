"""The attention of a recurrent decoder: its weights, and all queries at once."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.kernels.recurrence.attending import Memory
from massivetext_keras.kernels.recurrence.scores import SCORES
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.masks import HIDDEN
from massivetext_keras.layers.recurrent.layer import first_weights


class RecurrentAttention(keras.layers.Layer):
    """States of a decoder look at what an encoder has read.

    Args:
        kind: "additive" (Bahdanau et al., 2015) or "multiplicative" (Luong et al.,
            2015, "general").
        size: width of a state.
        keys: width of what it is compared with.

    >>> layer = RecurrentAttention("additive", 3, 4)
    >>> layer.build((None, None, 6))
    >>> found, weights = layer(tf.ones([2, 5, 3]), layer.read(tf.ones([2, 7, 6]), None))
    >>> found.shape, weights.shape
    (TensorShape([2, 5, 6]), TensorShape([2, 5, 7]))
    """

    def __init__(self, kind: str, size: int, keys: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.score, self.size, self.width = SCORES[kind], size, keys
        self.adds, policy = kind == "additive", self.dtype_policy
        self.query = None
        self.keys = Dense(keys, bias=self.adds, dtype=policy, name="keys")
        if self.adds:
            self.query = Dense(keys, bias=False, dtype=policy, name="query")

    def build(self, input_shape):
        self.keys.kernel_initializer = first_weights(input_shape[-1])
        self.keys.build(input_shape)
        if self.query is not None:
            self.query.kernel_initializer = first_weights(self.size)
            self.query.build((None, None, self.size))
            self.vector = self.add_weight(
                name="vector",
                shape=(self.width,),
                initializer=first_weights(self.width),
                autocast=False,
            )

    def read(self, values: tf.Tensor, mask: tf.Tensor | None, training=None) -> Memory:
        """What an encoder gives, with its keys.

        Args:
            values: [batch, keys, m].
            mask: int [batch, keys], 0 at padding.
            training: whether a gradient is taken.
        """
        return Memory(
            values, self.keys(values, training=training), bias_of(mask, values)
        )

    def score_vector(self) -> tf.Tensor | tuple[()]:
        """[a], of the additive score; of the other one ()."""
        if not self.adds:
            return ()
        return tf.cast(tf.convert_to_tensor(self.vector), self.compute_dtype)

    def call(
        self, states: tf.Tensor, memory: Memory, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Contexts that states find, and where.

        Args:
            states: [batch, length, d].
            memory: of `read`.
            training: whether a gradient is taken.

        Returns:
            [batch, length, m], and float32 [batch, length, keys].
        """
        queries = states
        if self.query is not None:
            queries = self.query(states, training=training)
        scores = self.score.all(queries, memory.keys, self.score_vector())
        weights = tf.nn.softmax(scores + memory.bias[:, None])
        narrow = tf.cast(weights, memory.values.dtype)
        return tf.matmul(narrow, memory.values), weights

    def compute_output_shape(self, input_shape, **_):
        return input_shape


def bias_of(mask: tf.Tensor | tuple | None, values: tf.Tensor) -> tf.Tensor:
    """What is added to the scores of a text [batch, keys, m]: float32 [batch, keys],
    far below any score where its mask is 0."""
    if mask is None or isinstance(mask, tuple):
        return tf.zeros(tf.shape(values)[:2], tf.float32)
    return tf.where(tf.cast(mask, tf.bool), 0.0, HIDDEN)

"""Dropout with a mask of its own on every replica and step."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.kernels.dropout import add_dropout, dropout
from massivetext_keras.kernels.random import hashed, next_key_in_scope, replica_id


class Dropout(keras.layers.Layer):
    """Dropout with a mask of its own on every replica and step.

    Args:
        rate: share of the entries set to zero, in [0, 1).
        seed: int; the same seed gives the same run.

    >>> import tensorflow as tf
    >>> x = Dropout(0.5, seed=1)(tf.ones([1000]), training=True)
    >>> sorted(set(x.numpy().tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        if rate > 0.0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def next_key(self) -> tf.Tensor:
        """uint32 scalar: a new key per call and replica."""
        key = next_key_in_scope()
        if key is not None:
            return key
        seed, count = tf.unstack(self.seed_generator.next())
        return hashed(seed, count, replica_id())

    def call(
        self,
        x: tf.Tensor,
        residual: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """`x` of any shape, unchanged unless training, plus the residual if any."""
        if not training or self.rate == 0.0:
            return x if residual is None else residual + x
        if residual is None:
            return dropout(x, self.next_key(), rate=self.rate)
        return add_dropout(residual, x, self.next_key(), self.rate)

    def compute_output_shape(self, input_shape, **_):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

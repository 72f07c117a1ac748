"""Where a token stands: sinusoidal, rotary and relative positions."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.kernels.lookup import rows_of


def sinusoidal(positions: tf.Tensor, size: int) -> tf.Tensor:
    """Sines then cosines of geometric wavelengths (Vaswani et al., 2017).

    Args:
        positions: int [batch or 1, length].
        size: width, even.

    Returns:
        float32 [batch or 1, length, size].
    """
    half = size // 2
    rates = np.exp(-math.log(10000.0) * np.arange(half) / half)
    angles = tf.cast(positions, tf.float32)[..., None] * tf.constant(rates, tf.float32)
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)


def rotary_frequencies(
    head_size: int, theta: float = 10000.0, scaling: dict | None = None
) -> np.ndarray:
    """Radians per position of each pair of features (Su et al., 2021).

    Args:
        head_size: width of a head, even.
        theta: base of the wavelengths.
        scaling: None, or `{"rope_type": "linear", "factor": …}` (Chen et al., 2023), or
            "llama3" with its four numbers: long wavelengths are stretched by `factor`,
            short ones stay, those between are blended (Grattafiori et al., 2024).

    Returns:
        float64 [head_size / 2].

    Raises:
        ValueError: the rule is not one of these.

    >>> rotary_frequencies(4).tolist()
    [1.0, 0.01]
    """
    frequencies = theta ** (-np.arange(0, head_size, 2) / head_size)
    scaling = scaling or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return frequencies
    if kind == "linear":
        return frequencies / scaling["factor"]
    if kind != "llama3":
        raise ValueError(f"rope_scaling {kind!r} is not known: default, linear, llama3")
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    share = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return frequencies * (share + (1.0 - share) / scaling["factor"])


def rotary_angles(positions: tf.Tensor, frequencies: np.ndarray) -> tf.Tensor:
    """Cosines and sines for `rotate`.

    Args:
        positions: int [batch or 1, length].
        frequencies: [head_size / 2].

    Returns:
        float32 [2, batch or 1, 1, length, head_size / 2].
    """
    angles = tf.cast(positions, tf.float32)[:, None, :, None]
    angles = angles * tf.constant(frequencies, tf.float32)
    return tf.stack([tf.cos(angles), tf.sin(angles)])


def rotate(x: tf.Tensor, angles: tf.Tensor) -> tf.Tensor:
    """Turns each pair (i, i + size/2) of the first `size` features by its angle.

    Args:
        x: [batch, heads, length, head_size].
        angles: from `rotary_angles`, size/2 of them; features after `size` stay.
    """
    cosine, sine = tf.unstack(angles)
    half = angles.shape[-1]
    sizes = [half, half, x.shape[-1] - 2 * half]
    left, right, rest = tf.split(tf.cast(x, tf.float32), sizes, axis=-1)
    turned = [left * cosine - right * sine, right * cosine + left * sine]
    turned += [rest] if sizes[2] else []
    return tf.cast(tf.concat(turned, axis=-1), x.dtype)


def relative_bucket(
    distance: tf.Tensor, bidirectional: bool, buckets: int, max_distance: int
) -> tf.Tensor:
    """The bucket of `key position - query position` (Raffel et al., 2020).

    Half of the buckets hold one distance each, the other half grow geometrically up to
    `max_distance`; with `bidirectional`, half of all are for keys after the query.

    >>> import tensorflow as tf
    >>> relative_bucket(tf.constant([0, -1, -9, 3]), False, 8, 16).numpy().tolist()
    [0, 1, 6, 0]
    """
    offset = tf.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        offset = tf.where(distance > 0, buckets, 0)
        distance = tf.abs(distance)
    else:
        distance = -tf.minimum(distance, 0)
    exact = buckets // 2
    ratio = tf.cast(tf.maximum(distance, 1), tf.float32) / exact
    grown = tf.math.log(ratio) / math.log(max_distance / exact) * (buckets - exact)
    far = tf.minimum(exact + tf.cast(grown, distance.dtype), buckets - 1)
    return offset + tf.where(distance < exact, distance, far)


class RelativePositionBias(keras.layers.Layer):
    """A learned bias per head and bucket of distance (Raffel et al., 2020).

    Args:
        num_heads: heads.
        bidirectional: whether keys after the query have buckets of their own.
        buckets: rows of the table.
        max_distance: distance from which all share the last bucket.
    """

    def __init__(
        self,
        num_heads: int,
        bidirectional: bool,
        buckets: int = 32,
        max_distance: int = 128,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads, self.bidirectional = num_heads, bidirectional
        self.buckets, self.max_distance = buckets, max_distance

    def build(self, input_shape=None):
        self.table = self.add_weight(
            name="table",
            shape=(self.buckets, self.num_heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, query_positions: tf.Tensor, key_positions: tf.Tensor) -> tf.Tensor:
        """Places int [queries] or [batch, queries], and [keys] -> bias [batch or 1,
        heads, queries, keys]."""
        if query_positions.shape.rank == 1:
            query_positions = query_positions[None]
        distance = key_positions - query_positions[:, :, None]
        bucket = relative_bucket(
            distance, self.bidirectional, self.buckets, self.max_distance
        )
        bias = rows_of(self.table, bucket)
        return tf.cast(tf.transpose(bias, [0, 3, 1, 2]), self.compute_dtype)

    def get_config(self):
        fields = "num_heads bidirectional buckets max_distance"
        return {**super().get_config(), **{k: getattr(self, k) for k in fields.split()}}

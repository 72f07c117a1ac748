"""Dropout in one pass over memory, the mask made again in the backward pass."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.kernels.fused import fused, island
from massivetext_keras.kernels.random import random_bits


def keep_mask(
    x: tf.Tensor, key: tf.Tensor, rate: float, between_products: bool = False
) -> tf.Tensor:
    """Boolean tensor of the shape of `x`, False at a share `rate` of the positions."""
    bits = random_bits(tf.shape(x), key, between_products)
    return bits >= tf.constant(round(rate * 2**32), tf.uint32)


def dropped(
    x: tf.Tensor, key: tf.Tensor, rate: float, between_products: bool = False
) -> tf.Tensor:
    """`dropout` in float32, inside a compiled function."""
    keep = keep_mask(x, key, rate, between_products)
    return tf.where(keep, tf.cast(x, tf.float32) * (1.0 / (1.0 - rate)), 0.0)


@fused
def dropout(x: tf.Tensor, key: tf.Tensor, *, rate: float) -> tf.Tensor:
    """Zeroes a share `rate` of `x` and scales the rest up (Srivastava et al., 2014)."""
    return tf.cast(dropped(x, key, rate), x.dtype)


@island
def _add_kept(residual, x, key, rate):
    kept = dropped(x, key, rate, between_products=True)
    return tf.cast(tf.cast(residual, tf.float32) + kept, residual.dtype)


@island
def _kept(x, key, rate):
    return tf.cast(dropped(x, key, rate, between_products=True), x.dtype)


def add_dropout(
    residual: tf.Tensor, x: tf.Tensor, key: tf.Tensor, rate: float
) -> tf.Tensor:
    """`residual + dropout(x)` in one pass over memory."""

    @tf.custom_gradient
    def call(residual, x):
        output = _add_kept(residual, x, key, rate)
        return output, lambda upstream: (upstream, _kept(upstream, key, rate))

    return call(residual, x)

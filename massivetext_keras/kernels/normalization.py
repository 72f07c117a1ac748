"""Layer normalisation (Ba et al., 2016) and its root-mean-square form (Zhang, 2019): as
it reads, and as one XLA program each way for training."""

from __future__ import annotations

import functools

import tensorflow as tf

from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.split import is_split


def _mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over the last axis, kept: a product with ones, which XLA vectorises."""
    if is_split():
        return tf.reduce_mean(x, axis=-1, keepdims=True)
    size = x.shape[-1]
    return tf.linalg.matvec(x, tf.fill([size], 1.0 / size))[..., None]


def _sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sum over all axes but the last."""
    if is_split():  # of which several may be, and these cannot be made one
        return tf.reduce_sum(x, axis=list(range(x.shape.rank - 1)))
    rows = tf.reshape(x, [-1, x.shape[-1]])
    return tf.linalg.matvec(rows, tf.ones([tf.shape(rows)[0]]), transpose_a=True)


def _normalized(x: tf.Tensor, epsilon: float, center: bool):
    """Float32 normalised `x` [..., d] and the reciprocal deviation [..., 1]."""
    x = tf.cast(x, tf.float32)
    if center:
        x = x - _mean(x)
    scale = tf.math.rsqrt(_mean(tf.square(x)) + epsilon)
    return x * scale, scale


def normalize(
    x: tf.Tensor, gain: tf.Tensor, offset: tf.Tensor, epsilon: float, center: bool
) -> tf.Tensor:
    """Layer normalisation, or without `center` that by the root mean square.

    Args:
        x: [..., d].
        gain: float32 [d].
        offset: float32 [d], added with `center` alone.
        epsilon: added to the variance.
        center: subtract the mean.

    >>> normalize(
    ...     tf.constant([[1.0, 3.0]]), 1.0, 0.5, 0.0, center=True
    ... ).numpy().tolist()
    [[-0.5, 1.5]]
    """
    y = _normalized(x, epsilon, center)[0] * gain
    return tf.cast(y + offset if center else y, x.dtype)


def _backward(upstream, x, gain, epsilon, center):
    """Gradients of `x`, `gain` and `offset`, from the input alone."""
    normal, scale = _normalized(x, epsilon, center)
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gain
    dx = inner - normal * _mean(inner * normal)
    if center:
        dx = dx - _mean(inner)
    return (
        tf.cast(dx * scale, x.dtype),
        _sum_rows(upstream * normal),
        _sum_rows(upstream),
    )


@functools.cache
def _compiled(epsilon: float, center: bool):
    forward = island(functools.partial(normalize, epsilon=epsilon, center=center))
    backward = island(functools.partial(_backward, epsilon=epsilon, center=center))

    @tf.custom_gradient
    def compiled(x, gain, offset):
        return forward(x, gain, offset), lambda dy: backward(dy, x, gain)

    return compiled


def normalize_training(
    x: tf.Tensor, gain: tf.Tensor, offset: tf.Tensor, epsilon: float, center: bool
) -> tf.Tensor:
    """`normalize` as one XLA program, and its gradient as another, by hand: nothing but
    the arguments is kept for it."""
    return _compiled(epsilon, center)(x, gain, offset)

"""Layer normalisation (Ba et al., 2016) and its root-mean-square form (Zhang, 2019)."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from massivetext_keras.kernels.fused import island


def _mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over the last axis, kept: a product with ones, which XLA vectorises."""
    size = x.shape[-1]
    return tf.linalg.matvec(x, tf.fill([size], 1.0 / size))[..., None]


def _sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sum over all axes but the last."""
    rows = tf.reshape(x, [-1, x.shape[-1]])
    return tf.linalg.matvec(rows, tf.ones([tf.shape(rows)[0]]), transpose_a=True)


def _normalized(x: tf.Tensor, epsilon: float, center: bool):
    """Float32 normalised `x` [..., d] and the reciprocal deviation [..., 1]."""
    x = tf.cast(x, tf.float32)
    if center:
        x = x - _mean(x)
    scale = tf.math.rsqrt(_mean(tf.square(x)) + epsilon)
    return x * scale, scale


def _forward(x, gain, offset, epsilon, center):
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
    forward = island(functools.partial(_forward, epsilon=epsilon, center=center))
    backward = island(functools.partial(_backward, epsilon=epsilon, center=center))

    @tf.custom_gradient
    def normalize(x, gain, offset):
        return forward(x, gain, offset), lambda dy: backward(dy, x, gain)

    return normalize


class Normalization(keras.layers.Layer):
    """Normalises the last axis in float32.

    Args:
        kind: "layer_norm" (mean and variance, gain and offset) or "rms_norm" (root mean
            square, gain alone).
        epsilon: added to the variance.

    >>> import numpy as np
    >>> y = Normalization("layer_norm", 0.0)(np.array([[1.0, 2.0, 3.0]], "float32"))
    >>> np.round(y.numpy(), 4).tolist()
    [[-1.2247, 0.0, 1.2247]]
    """

    def __init__(self, kind: str = "layer_norm", epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.epsilon = kind, epsilon
        self.center = kind == "layer_norm"

    def build(self, input_shape):
        self.gain = self.add_weight(
            name="gain", shape=input_shape[-1:], initializer="ones", autocast=False
        )
        self.offset = None
        if self.center:
            self.offset = self.add_weight(
                name="offset",
                shape=input_shape[-1:],
                initializer="zeros",
                autocast=False,
            )

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`x` [..., d] -> the same shape and dtype."""
        gain = tf.convert_to_tensor(self.gain)
        offset = (
            tf.convert_to_tensor(self.offset) if self.center else tf.zeros_like(gain)
        )
        if training:
            return _compiled(self.epsilon, self.center)(x, gain, offset)
        return _forward(x, gain, offset, self.epsilon, self.center)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "epsilon": self.epsilon}

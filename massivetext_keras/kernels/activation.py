"""Activations, gated or not: as they read, and as one XLA program for training."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.kernels.fused import fused_elementwise


def _gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    # TensorFlow makes it one kernel with the product before it only where names of its
    # operations come, by the alphabet, after that of the product: `up`.
    with tf.name_scope("value"):
        return tf.nn.gelu(x, approximate=True)


ACTIVATIONS = {
    "gelu": tf.nn.gelu,  # Hendrycks & Gimpel, 2016: x * Phi(x)
    "gelu_tanh": _gelu_tanh,  # the same by its tanh formula, as GPT-2 has it
    "relu": tf.nn.relu,
    "silu": tf.nn.silu,
}


def activate(x: tf.Tensor, *gate: tf.Tensor, name: str) -> tf.Tensor:
    """The activation of `x`, times a gate if there is one, computed in float32."""
    y = ACTIVATIONS[name](tf.cast(x, tf.float32))
    for factor in gate:
        y = y * tf.cast(factor, tf.float32)
    return tf.cast(y, x.dtype)


activate_training = fused_elementwise(activate)

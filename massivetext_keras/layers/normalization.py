"""Layer normalisation (Ba et al., 2016) and its root-mean-square form (Zhang, 2019)."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.kernels.normalization import normalize, normalize_training


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
        function = normalize_training if training else normalize
        return function(x, gain, offset, self.epsilon, self.center)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "epsilon": self.epsilon}

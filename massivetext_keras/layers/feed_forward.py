"""The feed-forward layer of a block, plain or gated."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.activation import activate, activate_training
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.split import split_columns
from massivetext_keras.layers.dense import Dense


def activated(
    x: tf.Tensor, name: str, gated: bool = False, training: bool | None = None
) -> tf.Tensor:
    """What goes on of a product `x`: its activation, or gated, that of its first half
    times the other one."""
    parts = split_columns(x, [x.shape[-1] // 2] * 2) if gated else [x]
    return (activate_training if training else activate)(*parts, name=name)


class FeedForward(keras.layers.Layer):
    """Two products with an activation between (Vaswani et al., 2017), or gated.

    The gated form (Shazeer, 2020) multiplies the activation by a second projection;
    both come from one product.

    Args:
        hidden_size: width d of input and output.
        intermediate_size: width f inside.
        activation: a name in `kernels.activation.ACTIVATIONS`.
        gated: whether there is a gate.
        bias: whether the products have biases.
        output_scale: standard deviation of the first weights of the second product.
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        activation: str = "gelu_tanh",
        gated: bool = False,
        bias: bool = True,
        output_scale: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.activation, self.gated, self.bias = activation, gated, bias
        self.output_scale = output_scale
        width = intermediate_size * (2 if gated else 1)
        self.up = Dense(width, bias, dtype=self.dtype_policy, name="up")
        self.down = Dense(
            hidden_size, bias, output_scale, dtype=self.dtype_policy, name="down"
        )

    @classmethod
    def for_config(cls, config: TransformerConfig, **kwargs) -> FeedForward:
        """That of the blocks of a model without experts."""
        return cls(
            config.hidden_size,
            config.intermediate_size,
            config.activation,
            config.gated,
            config.feed_forward_bias,
            config.residual_scale,
            **kwargs,
        )

    def build(self, input_shape):
        self.up.build(input_shape)
        self.down.build((*input_shape[:-1], self.intermediate_size))

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`x` [..., d] -> [..., d]."""
        # As rows: TensorFlow makes product, bias and activation one kernel where no
        # reshape lies between them.
        rows = tf.reshape(x, [-1, x.shape[-1]])
        inside = activated(self.up(rows), self.activation, self.gated, training)
        return tf.reshape(self.down(inside), shape_of(x))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        fields = "hidden_size intermediate_size activation gated bias output_scale"
        return {**super().get_config(), **{k: getattr(self, k) for k in fields.split()}}

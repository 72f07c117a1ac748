"""One block of a Transformer: attention, then feed-forward, each with a residual."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.attention import Attention, LayerCache
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.experts import MixtureOfExperts
from massivetext_keras.layers.feed_forward import FeedForward
from massivetext_keras.layers.normalization import Normalization


class Block(keras.layers.Layer):
    """Attention and feed-forward, with the norm before or after each.

    "pre" is x + f(norm(x)) (Xiong et al., 2020), "post" is norm(x + f(x)) (Vaswani et
    al., 2017).

    Args:
        config: the shape.
        causal: no token sees a later one.
        cross: between the two, attend to a second sequence.
    """

    def __init__(
        self,
        config: TransformerConfig,
        causal: bool = True,
        cross: bool = False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # see Attention
        self.config, self.causal, self.cross = config, causal, cross
        self.pre = config.norm_position == "pre"
        # Radford et al., 2019: the residual stream keeps its variance at any depth.
        output_scale = 0.02 * (2 * config.num_layers) ** -0.5
        self.attention = self._attention("attention", output_scale, causal=causal)
        if cross:
            self.cross_attention = self._attention(
                "cross_attention", output_scale, cross=True
            )
        self.feed_forward = self._feed_forward(output_scale)
        for name in self._parts():
            norm = Normalization(
                config.norm,
                config.norm_epsilon,
                dtype=self.dtype_policy,
                name=f"{name}_norm",
            )
            setattr(self, f"{name}_norm", norm)
            dropout = Dropout(
                config.dropout, dtype=self.dtype_policy, name=f"{name}_dropout"
            )
            setattr(self, f"{name}_dropout", dropout)

    def _parts(self) -> list[str]:
        cross = ["cross_attention"] if self.cross else []
        return ["attention", *cross, "feed_forward"]

    def _attention(self, name: str, output_scale: float, **kwargs) -> Attention:
        config = self.config
        return Attention(
            config.hidden_size,
            config.num_heads,
            config.key_value_heads,
            config.width_of_head,
            qkv_bias=config.qkv_bias,
            output_bias=config.output_bias,
            dropout=config.attention_dropout_rate,
            scale=config.attention_scale,
            output_scale=output_scale,
            dtype=self.dtype_policy,
            name=name,
            **kwargs,
        )

    def _feed_forward(self, output_scale: float) -> FeedForward | MixtureOfExperts:
        config = self.config
        shared = {
            "activation": config.activation,
            "gated": config.gated,
            "output_scale": output_scale,
            "dtype": self.dtype_policy,
            "name": "feed_forward",
        }
        sizes = config.hidden_size, config.intermediate_size
        if not config.num_experts:
            return FeedForward(*sizes, bias=config.feed_forward_bias, **shared)
        return MixtureOfExperts(
            *sizes,
            config.num_experts,
            config.experts_per_token,
            loss=config.expert_loss,
            **shared,
        )

    def build(self, input_shape):
        for name in self._parts():
            getattr(self, name).build(input_shape)
            getattr(self, f"{name}_norm").build(input_shape)
            if self.config.rezero:
                gate = self.add_weight(
                    name=f"{name}_gate", shape=(), initializer="zeros"
                )
                setattr(self, f"{name}_gate", gate)

    def call(
        self,
        x: tf.Tensor,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
        cache: LayerCache | None = None,
        start: int | tf.Tensor = 0,
        memory: LayerCache | None = None,
        memory_bias: tf.Tensor | None = None,
        training: bool | None = None,
    ):
        """`x` [batch, length, d] -> the same, and the new cache if one was given."""
        entered = x
        attended = self.attention(
            self._enter("attention", x, training),
            bias=bias,
            angles=angles,
            cache=cache,
            start=start,
            training=training,
        )
        if cache is not None:
            attended, cache = attended
        x = self._leave("attention", x, attended, training)
        if self.cross:
            crossed = self.cross_attention(
                self._enter("cross_attention", x, training),
                memory=memory,
                bias=memory_bias,
                training=training,
            )
            x = self._leave("cross_attention", x, crossed, training)
        fed = self.feed_forward(
            self._enter(
                "feed_forward", entered if self.config.parallel else x, training
            ),
            training=training,
        )
        x = self._leave("feed_forward", x, fed, training)
        return x if cache is None else (x, cache)

    def _enter(self, name: str, x: tf.Tensor, training) -> tf.Tensor:
        """What a part reads of the residual stream."""
        return getattr(self, f"{name}_norm")(x, training=training) if self.pre else x

    def _leave(self, name: str, x: tf.Tensor, y: tf.Tensor, training) -> tf.Tensor:
        """The residual stream after a part that gave `y`."""
        if self.config.rezero:
            y = y * tf.cast(getattr(self, f"{name}_gate"), y.dtype)
        x = getattr(self, f"{name}_dropout")(y, residual=x, training=training)
        return x if self.pre else getattr(self, f"{name}_norm")(x, training=training)

    def compute_output_shape(self, input_shape, **_):
        return input_shape

"""One block of a Transformer: attention, then feed-forward, each with a residual."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.layers.attention import Attention, LayerCache
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.feed_forward import FeedForward
from massivetext_keras.layers.normalization import Normalization


class Block(keras.layers.Layer):
    """Attention and feed-forward, with the norm before or after each.

    "pre" is x + f(norm(x)) (Xiong et al., 2020), "post" is norm(x + f(x)) (Vaswani et
    al., 2017).

    Args:
        config: the shape.
        causal: no token sees a later one.
    """

    def __init__(self, config: TransformerConfig, causal: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.config, self.causal = config, causal
        self.pre = config.norm_position == "pre"
        # Radford et al., 2019: the residual stream keeps its variance at any depth.
        output_scale = 0.02 * (2 * config.num_layers) ** -0.5
        self.attention = Attention(
            config.hidden_size,
            config.num_heads,
            config.key_value_heads,
            config.width_of_head,
            qkv_bias=config.qkv_bias,
            output_bias=config.output_bias,
            dropout=config.attention_dropout_rate,
            causal=causal,
            output_scale=output_scale,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.feed_forward = FeedForward(
            config.hidden_size,
            config.intermediate_size,
            config.activation,
            config.gated,
            config.feed_forward_bias,
            output_scale,
            dtype=self.dtype_policy,
            name="feed_forward",
        )
        for name in ("attention_norm", "feed_forward_norm"):
            norm = Normalization(
                config.norm, config.norm_epsilon, dtype=self.dtype_policy, name=name
            )
            setattr(self, name, norm)
        for name in ("attention_dropout", "feed_forward_dropout"):
            dropout = Dropout(config.dropout, dtype=self.dtype_policy, name=name)
            setattr(self, name, dropout)

    def build(self, shape):
        self.attention.build(shape)
        self.feed_forward.build(shape)
        self.attention_norm.build(shape)
        self.feed_forward_norm.build(shape)

    def call(
        self,
        x: tf.Tensor,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
        cache: LayerCache | None = None,
        start: int | tf.Tensor = 0,
        training: bool | None = None,
    ):
        """`x` [batch, length, d] -> the same, and the new cache if one was given."""
        attended = self.attention(
            self.attention_norm(x, training=training) if self.pre else x,
            bias=bias,
            angles=angles,
            cache=cache,
            start=start,
            training=training,
        )
        if cache is not None:
            attended, cache = attended
        x = x + self.attention_dropout(attended, training=training)
        if not self.pre:
            x = self.attention_norm(x, training=training)
        fed = self.feed_forward(
            self.feed_forward_norm(x, training=training) if self.pre else x,
            training=training,
        )
        x = x + self.feed_forward_dropout(fed, training=training)
        if not self.pre:
            x = self.feed_forward_norm(x, training=training)
        return x if cache is None else (x, cache)

    def compute_output_shape(self, input_shape, **_):
        return input_shape

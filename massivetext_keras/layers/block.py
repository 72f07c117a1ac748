"""One block of a Transformer: attention, then feed-forward, each with a residual."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.split import gather_tokens, shard_tokens
from massivetext_keras.layers.attention import Attention
from massivetext_keras.layers.cache import LayerCache
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
        policy = self.dtype_policy

        def norm(name):
            kind, epsilon = config.norm, config.norm_epsilon
            return Normalization(kind, epsilon, dtype=policy, name=name)

        def dropout(name):
            return Dropout(config.dropout, dtype=policy, name=name)

        self.attention = Attention.for_config(
            config, causal=causal, dtype=policy, name="attention"
        )
        if cross:
            self.cross_attention = Attention.for_config(
                config, cross=True, dtype=policy, name="cross_attention"
            )
        kind = MixtureOfExperts if config.num_experts else FeedForward
        self.feed_forward = kind.for_config(config, dtype=policy, name="feed_forward")
        self.attention_norm = norm("attention_norm")
        self.attention_dropout = dropout("attention_dropout")
        if cross:
            self.cross_attention_norm = norm("cross_attention_norm")
            self.cross_attention_dropout = dropout("cross_attention_dropout")
        self.feed_forward_norm = norm("feed_forward_norm")
        self.feed_forward_dropout = dropout("feed_forward_dropout")
        self.attention_gate = self.cross_attention_gate = self.feed_forward_gate = None

    def build(self, input_shape):
        self.attention.build(input_shape)
        self.attention_norm.build(input_shape)
        self.attention_gate = self._gate("attention_gate")
        if self.cross:
            self.cross_attention.build(input_shape)
            self.cross_attention_norm.build(input_shape)
            self.cross_attention_gate = self._gate("cross_attention_gate")
        self.feed_forward.build(input_shape)
        self.feed_forward_norm.build(input_shape)
        self.feed_forward_gate = self._gate("feed_forward_gate")

    def _gate(self, name: str) -> keras.Variable | None:
        if not self.config.rezero:
            return None
        return self.add_weight(name=name, shape=(), initializer="zeros")

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
            self._read(x, self.attention_norm, training),
            bias=bias,
            angles=angles,
            cache=cache,
            start=start,
            training=training,
        )
        if cache is not None:
            attended, cache = attended
        dropout, norm = self.attention_dropout, self.attention_norm
        x = self._add(x, attended, self.attention_gate, dropout, norm, training)
        if self.cross:
            dropout, norm = self.cross_attention_dropout, self.cross_attention_norm
            read = self._read(x, norm, training)
            crossed = self.cross_attention(
                read, memory=memory, bias=memory_bias, training=training
            )
            x = self._add(
                x, crossed, self.cross_attention_gate, dropout, norm, training
            )
        dropout, norm = self.feed_forward_dropout, self.feed_forward_norm
        read = self._read(entered if self.config.parallel else x, norm, training)
        fed = self.feed_forward(read, training=training)
        x = self._add(x, fed, self.feed_forward_gate, dropout, norm, training)
        return x if cache is None else (x, cache)

    def _read(self, x: tf.Tensor, norm: Normalization, training) -> tf.Tensor:
        """What a part reads of the residual stream."""
        return gather_tokens(norm(x, training=training) if self.pre else x)

    def _add(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        gate: keras.Variable | None,
        dropout: Dropout,
        norm: Normalization,
        training: bool | None,
    ) -> tf.Tensor:
        """The residual stream after a part that gave `y`."""
        if gate is not None:
            y = y * tf.cast(gate, y.dtype)
        y = shard_tokens(y)
        x = dropout(y, residual=x, training=training)
        return x if self.pre else norm(x, training=training)

    def attention_weights(
        self,
        x: tf.Tensor,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """`Attention.weights_between` of what the block reads of `x`."""
        entered = self._read(x, self.attention_norm, training=False)
        return self.attention.weights_between(entered, bias, angles)

    def compute_output_shape(self, input_shape, **_):
        return input_shape

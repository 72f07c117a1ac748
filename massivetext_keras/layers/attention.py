"""Multi-head attention (Vaswani et al., 2017): projections around its kernel."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.kernels.attention import (
    attend,
    attend_training,
    attention_scores,
)
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.split import column_blocks
from massivetext_keras.layers.cache import LayerCache, at_beginning, write
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.positions import rotate


class Attention(keras.layers.Layer):
    """Multi-head attention with one product for queries, keys and values.

    Args:
        hidden_size: width d of input and output.
        num_heads: query heads.
        num_key_value_heads: heads of keys and values, a divisor of `num_heads`.
        head_size: width of a head.
        qkv_bias: bias on queries, keys and values.
        output_bias: bias on the output product.
        dropout: rate on attention weights.
        scale: of the scores (None: 1 / sqrt(head_size)).
        cross: keys and values come from a second sequence.
        causal: no query sees a later key; `bias` must hide them all the same, this
            saves the work on them.
        output_scale: standard deviation of the first weights of the output product.
        seed: of dropout.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_key_value_heads: int | None = None,
        head_size: int | None = None,
        qkv_bias: bool = True,
        output_bias: bool = True,
        dropout: float = 0.0,
        scale: float | None = None,
        cross: bool = False,
        causal: bool = False,
        output_scale: float = 0.02,
        seed: int | None = None,
        **kwargs,
    ):
        # Keras would round the angles and the bias of positions to the compute dtype.
        super().__init__(autocast=False, **kwargs)
        self.hidden_size, self.num_heads = hidden_size, num_heads
        self.num_key_value_heads = num_key_value_heads or num_heads
        self.head_size = head_size or hidden_size // num_heads
        self.qkv_bias, self.output_bias = qkv_bias, output_bias
        self.rate, self.seed = dropout, seed
        self.scale = self.head_size**-0.5 if scale is None else scale
        self.cross, self.causal, self.output_scale = cross, causal, output_scale
        queries = self.num_heads * self.head_size
        keys_values = 2 * self.num_key_value_heads * self.head_size
        if cross:
            self.query = self._dense(queries, qkv_bias, "query")
            self.key_value = self._dense(keys_values, qkv_bias, "key_value")
        else:
            self.qkv = self._dense(queries + keys_values, qkv_bias, "qkv")
        self.output_projection = self._dense(
            hidden_size, output_bias, "output", output_scale
        )
        self.dropout = Dropout(dropout, seed, dtype=self.dtype_policy, name="dropout")

    @classmethod
    def for_config(cls, config: TransformerConfig, **kwargs) -> Attention:
        """That of the blocks of a model.

        Args:
            config: the shape of the model.
            **kwargs: of the constructor, what the config does not say.
        """
        return cls(
            config.hidden_size,
            config.num_heads,
            config.key_value_heads,
            config.width_of_head,
            qkv_bias=config.qkv_bias,
            output_bias=config.output_bias,
            dropout=config.attention_dropout_rate,
            scale=config.attention_scale,
            output_scale=config.residual_scale,
            **kwargs,
        )

    def _dense(self, size: int, bias: bool, name: str, scale: float = 0.02):
        return Dense(size, bias, scale, dtype=self.dtype_policy, name=name)

    def build(self, input_shape):
        for layer in (self.query, self.key_value) if self.cross else (self.qkv,):
            layer.build(input_shape)
        self.output_projection.build(
            (*input_shape[:-1], self.num_heads * self.head_size)
        )

    def call(
        self,
        x: tf.Tensor,
        memory: LayerCache | None = None,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
        cache: LayerCache | None = None,
        start: int | tf.Tensor = 0,
        training: bool | None = None,
    ):
        """Attends from `x` to itself, to `memory`, or to a cache.

        Args:
            x: [batch, length, d].
            memory: from `read_memory`, what cross attention looks at.
            bias: added to the scores, broadcast to [batch, heads, length, keys].
            angles: from `rotary_angles`, to rotate queries and keys.
            cache: earlier keys and values; those of `x` are written at `start`.
            start: place of the first token of `x` in the cache.

        Returns:
            [batch, length, d], and with a cache also the cache that holds `x`.
        """
        query, key, value = self.project(x, memory, angles)
        if cache is not None:
            cache = LayerCache(
                write(cache.keys, key, start), write(cache.values, value, start)
            )
            if not at_beginning(start):
                key, value = cache
        if training:
            mixed = attend_training(query, key, value, bias, self.dropout, self.causal)
        else:
            mixed = attend(query, key, value, bias)
        output = self.output_projection(_merge_heads(mixed))
        return output if cache is None else (output, cache)

    def project(
        self,
        x: tf.Tensor,
        memory: LayerCache | None = None,
        angles: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Queries, scaled, [b, heads, l, size]; keys and values [b, groups, k, size].

        Args:
            x, memory, angles: as of `call`.
        """
        h, g = self.num_heads, self.num_key_value_heads
        if memory is not None:
            (query,), (key, value) = _split_heads(self.query(x), h), memory
        else:
            query, key, value = _split_heads(self.qkv(x), h, g, g)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        return query * tf.cast(self.scale, query.dtype), key, value

    def weights_between(
        self,
        x: tf.Tensor,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """What self-attention multiplies values by, which training never keeps.

        Args:
            x, bias, angles: as of `call`.

        Returns:
            float32 [batch, heads, length, length]; every row sums to 1.
        """
        query, key, _ = self.project(x, angles=angles)
        return tf.nn.softmax(tf.cast(attention_scores(query, key, bias), tf.float32))

    def read_memory(self, memory: tf.Tensor) -> LayerCache:
        """Keys and values of the second sequence of cross attention, [batch, keys, d].

        Decoding makes them once.
        """
        g = self.num_key_value_heads
        return LayerCache(*_split_heads(self.key_value(memory), g, g))

    def compute_output_shape(self, input_shape, **_):
        return input_shape


def _split_heads(x: tf.Tensor, *heads: int) -> list[tf.Tensor]:
    """[batch, length, all heads * size] -> [batch, heads, length, size] of each part of
    so many heads."""
    batch, length, width = shape_of(x)
    size, blocks = width // sum(heads), column_blocks()
    x = tf.reshape(x, [batch, length, blocks, width // (blocks * size), size])
    x = tf.transpose(x, [0, 2, 3, 1, 4])
    parts = tf.split(x, [count // blocks for count in heads], axis=2)
    return [
        tf.reshape(part, [batch, count, length, size])
        for part, count in zip(parts, heads, strict=True)
    ]


def _merge_heads(x: tf.Tensor) -> tf.Tensor:
    """[batch, heads, length, size] -> [batch, length, heads * size]."""
    batch, heads, length, size = shape_of(x)
    return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * size])

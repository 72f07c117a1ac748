"""Scaled dot-product attention (Vaswani et al., 2017) and the layer around it."""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.layers.dropout import Dropout, keep_mask
from massivetext_keras.layers.fused import fused, island
from massivetext_keras.layers.positions import rotate

# Rows of queries that share one set of visible keys in causal training.
_CAUSAL_ROWS = 128


class LayerCache(NamedTuple):
    """Keys and values of one layer, [batch, key_value_heads, capacity, head_size]."""

    keys: tf.Tensor
    values: tf.Tensor


def attend(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """softmax(query key^T + bias) value, with grouped heads (Ainslie et al., 2023).

    Args:
        query: [batch, heads, queries, size], scaled already.
        key: [batch, key_value_heads, keys, size].
        value: the shape of `key`.
        bias: added to the scores, broadcast to [batch, heads, queries, keys].

    Returns:
        [batch, heads, queries, size].

    >>> import tensorflow as tf
    >>> q = k = tf.zeros([1, 1, 1, 2])
    >>> attend(q, k, tf.constant([[[[3.0, 4.0]]]])).numpy().tolist()
    [[[[3.0, 4.0]]]]
    """
    weights = tf.nn.softmax(_scores(query, key, bias))
    return _weighted(weights, value)


def _scores(query, key, bias):
    shape = tf.shape(query)
    scores = tf.matmul(_grouped(query, key), key, transpose_b=True)
    scores = tf.reshape(scores, [shape[0], query.shape[1], shape[2], tf.shape(key)[2]])
    return scores if bias is None else scores + bias


def _weighted(weights, value):
    shape = tf.shape(weights)
    output = tf.matmul(_grouped(weights, value), value)
    return tf.reshape(output, [shape[0], weights.shape[1], shape[2], value.shape[3]])


def _grouped(x: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Folds the heads that share a key/value head into the rows: no copies of keys."""
    if x.shape[1] == key.shape[1]:
        return x
    shape = tf.shape(x)
    return tf.reshape(x, [shape[0], key.shape[1], -1, shape[3]])


def _drop_by_sign(weights, seed, rate):
    """Marks dropped weights by a minus sign: one tensor is kept for the backward pass."""
    keep = keep_mask(tf.shape(weights), seed, rate)
    return tf.where(keep, weights, -weights)


def _softmax_backward(weights, upstream, dot, rate):
    """Gradient of the scores from signed weights; dot is sum(upstream * weights)."""
    upstream = tf.cast(upstream, tf.float32) * (1.0 / (1.0 - rate))
    signed = tf.cast(weights, tf.float32)
    if rate > 0.0:
        upstream = tf.where(signed > 0.0, upstream, 0.0)
    return tf.cast(tf.abs(signed) * (upstream - dot), weights.dtype)


@functools.cache
def _training_attention(rate: float):
    """`attend` with dropout on the weights, and a backward pass written by hand."""
    drop = island(functools.partial(_drop_by_sign, rate=rate))
    softmax_backward = island(functools.partial(_softmax_backward, rate=rate))
    row_dot = fused(
        lambda x, y: tf.reduce_sum(
            tf.cast(x, tf.float32) * tf.cast(y, tf.float32), -1, keepdims=True
        )
    )
    scale = 1.0 / (1.0 - rate)

    @tf.custom_gradient
    def call(query, key, value, bias, seed):
        weights = tf.nn.softmax(_scores(query, key, bias))
        kept = weights
        if rate > 0.0:
            weights = drop(weights, seed)
            kept = tf.nn.relu(weights)
        output = _weighted(kept, value) * tf.cast(scale, value.dtype)

        def backward(upstream):
            kept = tf.nn.relu(weights) if rate > 0.0 else weights
            rows = _grouped(upstream, value)
            dvalue = tf.matmul(_grouped(kept, value), rows, transpose_a=True)
            dkept = tf.matmul(rows, value, transpose_b=True)
            dscores = softmax_backward(
                weights,
                tf.reshape(dkept, tf.shape(weights)),
                row_dot(upstream, output),
            )
            grouped = _grouped(dscores, key)
            dquery = tf.reshape(tf.matmul(grouped, key), tf.shape(query))
            dkey = tf.matmul(grouped, _grouped(query, key), transpose_a=True)
            dbias = _sum_to(dscores, bias)
            return dquery, dkey, dvalue * tf.cast(scale, value.dtype), dbias, None

        return output, backward

    return call


def _sum_to(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums a gradient over the axes along which `like` was broadcast."""
    axes = [i for i, size in enumerate(like.shape) if size == 1]
    return tf.reduce_sum(gradient, axes, keepdims=True)


def attend_training(query, key, value, bias, dropout: Dropout, causal: bool):
    """`attend` in training: dropout, and no scores that causality hides anyway.

    With `causal`, the queries go in blocks, each against the keys up to its last one.
    """
    rate = dropout.rate
    call = _training_attention(rate)
    if bias is None:
        bias = tf.zeros([1, 1, 1, 1], query.dtype)
    length = query.shape[2]
    step = _CAUSAL_ROWS if causal and length else length
    outputs = []
    for start in range(0, length or 1, step or 1):
        end = start + step if length else None
        block = bias
        if bias.shape[2] != 1:
            block = block[:, :, start:end]
        if bias.shape[3] != 1:
            block = block[..., :end]
        seed = dropout.next_key() if rate > 0.0 else tf.zeros([], tf.uint32)
        args = (query[:, :, start:end], key[:, :, :end], value[:, :, :end])
        outputs.append(call(*args, block, seed))
    return outputs[0] if len(outputs) == 1 else tf.concat(outputs, axis=2)


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
        super().__init__(**kwargs)
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
        self.dropout = Dropout(dropout, seed, name="dropout")

    def _dense(self, size: int, bias: bool, name: str, scale: float = 0.02):
        return keras.layers.Dense(
            size,
            use_bias=bias,
            kernel_initializer=keras.initializers.RandomNormal(stddev=scale),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, shape):
        for layer in (self.query, self.key_value) if self.cross else (self.qkv,):
            layer.build(shape)
        self.output_projection.build((*shape[:-1], self.num_heads * self.head_size))

    def call(
        self,
        x: tf.Tensor,
        memory: tf.Tensor | None = None,
        bias: tf.Tensor | None = None,
        angles: tf.Tensor | None = None,
        cache: LayerCache | None = None,
        start: int | tf.Tensor = 0,
        training: bool | None = None,
    ):
        """Attends from `x` to itself, to `memory`, or to a cache.

        Args:
            x: [batch, length, d].
            memory: [batch, keys, d], the second sequence of cross attention.
            bias: added to the scores, broadcast to [batch, heads, length, keys].
            angles: from `rotary_angles`, to rotate queries and keys.
            cache: earlier keys and values; those of `x` are written at `start`.
            start: place of the first token of `x` in the cache.

        Returns:
            [batch, length, d], and with a cache also the cache that holds `x`.
        """
        query, key, value = self._project(x, memory)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        query = query * tf.cast(self.scale, query.dtype)
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

    def _project(self, x, memory):
        """Queries [b, heads, l, size], keys and values [b, key_value_heads, k, size]."""
        h, g = self.num_heads, self.num_key_value_heads
        if self.cross:
            query = _split_heads(self.query(x), h)
            return query, *tf.split(_split_heads(self.key_value(memory), 2 * g), 2, 1)
        return tf.split(_split_heads(self.qkv(x), h + 2 * g), [h, g, g], axis=1)

    def compute_output_shape(self, input_shape, **_):
        return input_shape


def _split_heads(x: tf.Tensor, heads: int) -> tf.Tensor:
    """[batch, length, heads * size] -> [batch, heads, length, size]."""
    shape = tf.shape(x)
    x = tf.reshape(x, [shape[0], shape[1], heads, x.shape[-1] // heads])
    return tf.transpose(x, [0, 2, 1, 3])


def _merge_heads(x: tf.Tensor) -> tf.Tensor:
    """[batch, heads, length, size] -> [batch, length, heads * size]."""
    shape = tf.shape(x)
    x = tf.transpose(x, [0, 2, 1, 3])
    return tf.reshape(x, [shape[0], shape[2], x.shape[2] * x.shape[3]])


def at_beginning(start: int | tf.Tensor) -> bool:
    """Whether `start` is known to be 0 while the graph is built."""
    value = start if isinstance(start, int) else tf.get_static_value(start)
    return value is not None and int(value) == 0


def write(cache: tf.Tensor, new: tf.Tensor, start: int | tf.Tensor) -> tf.Tensor:
    """Puts `new` [b, heads, n, size] at `start` of `cache` [b, heads, capacity, size].

    A scatter over flattened rows, which XLA does in place inside a loop.
    """
    rows = tf.shape(new)[2]
    if at_beginning(start):
        return tf.concat([new, cache[:, :, rows:]], axis=2)
    shape = tf.shape(cache)
    capacity, size = shape[2], cache.shape[3]
    first = tf.range(shape[0] * cache.shape[1]) * capacity + start
    places = tf.reshape(first[:, None] + tf.range(rows), [-1, 1])
    flat = tf.tensor_scatter_nd_update(
        tf.reshape(cache, [-1, size]), places, tf.reshape(new, [-1, size])
    )
    return tf.reshape(flat, shape)

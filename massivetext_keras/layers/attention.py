"""Scaled dot-product attention (Vaswani et al., 2017) and the layer around it."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.kernels.dropout import keep_mask
from massivetext_keras.kernels.fused import fused
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout
from massivetext_keras.layers.positions import rotate

# Rows of queries that share one set of visible keys in causal training.
CAUSAL_ROWS = 128


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
    if bias is None:
        return scores
    # Not `scores + bias`: TensorFlow 2.21 fuses product, scale and sum into one oneDNN
    # kernel that takes 300 times as long where the bias is broadcast.
    return scores - bias * tf.constant(-1.0, bias.dtype)


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


def attend_training(query, key, value, bias, dropout: Dropout, causal: bool):
    """`attend` with dropout on the weights, and a backward pass written by hand.

    With `causal` the queries go in blocks, each against the keys up to its last one: no
    scores are made that causality hides anyway. Of the weights one tensor is kept for
    the backward pass, with a minus sign where they were dropped.

    Args:
        query, key, value, bias: as for `attend`.
        dropout: its rate, and a key for every block.
        causal: `bias` hides the keys after a query.
    """
    rate = dropout.rate
    length = query.shape[2]
    size = min(CAUSAL_ROWS, length) if causal and length else length
    ends = [*range(size, length, size), length] if size else [None]
    blocks = list(zip([0, *ends[:-1]], ends, strict=True))
    seen = ends if causal else [None] * len(ends)  # keys up to here
    seeds = [dropout.next_key() for _ in blocks] if rate else [None] * len(blocks)
    if bias is None:
        bias = tf.zeros([1, 1, 1, 1], query.dtype)

    def kept(signed):
        return _undropped(signed, rate=rate) if rate else signed

    @tf.custom_gradient
    def attention(query, key, value, bias):
        signed, outputs = [], []
        for (start, end), last, seed in zip(blocks, seen, seeds, strict=True):
            scores = _scores(
                _rows(query, start, end),
                _rows(key, 0, last),
                _rows(_columns(bias, last), start, end),
            )
            weights = tf.nn.softmax(scores)
            signed.append(_drop_by_sign(weights, seed, rate=rate) if rate else weights)
            outputs.append(_weighted(kept(signed[-1]), _rows(value, 0, last)))
        output = tf.concat(outputs, 2) if len(blocks) > 1 else outputs[0]

        def backward(upstream):
            dots = _row_dots(upstream, output)
            dquery, dkey, dvalue, dbias = [], [], [], []
            for (start, end), last, weights in zip(blocks, seen, signed, strict=True):
                keys, values = _rows(key, 0, last), _rows(value, 0, last)
                rows = _grouped(_rows(upstream, start, end), values)
                grouped = _grouped(kept(weights), values)
                dvalue.append(tf.matmul(grouped, rows, transpose_a=True))
                dweights = tf.matmul(rows, values, transpose_b=True)
                dweights = tf.reshape(dweights, tf.shape(weights))
                dots_here = _rows(dots, start, end)
                dscores = _softmax_backward(weights, dweights, dots_here, rate=rate)
                queries = _rows(query, start, end)
                grouped = _grouped(dscores, keys)
                dkey.append(
                    tf.matmul(grouped, _grouped(queries, keys), transpose_a=True)
                )
                dquery.append(tf.reshape(tf.matmul(grouped, keys), tf.shape(queries)))
                dbias.append(dscores)
            if len(blocks) == 1:
                gradients = dquery[0], dkey[0], dvalue[0], dbias[0]
            else:
                gradients = (
                    tf.concat(dquery, 2),
                    _sum_prefixes(dkey, blocks),
                    _sum_prefixes(dvalue, blocks),
                    tf.concat([_padded(x, length) for x in dbias], 2),
                )
            return *gradients[:3], _sum_to(gradients[3], bias)

        return output, backward

    return attention(query, key, value, bias)


@fused
def _drop_by_sign(weights, seed, *, rate):
    return tf.where(keep_mask(tf.shape(weights), seed, rate), weights, -weights)


@fused
def _undropped(signed, *, rate):
    scaled = tf.nn.relu(tf.cast(signed, tf.float32)) * (1.0 / (1.0 - rate))
    return tf.cast(scaled, signed.dtype)


@fused
def _softmax_backward(signed, upstream, dots, *, rate):
    """Gradient of the scores; dots [..., 1] are the sums of upstream * output."""
    signed = tf.cast(signed, tf.float32)
    scaled = tf.cast(upstream, tf.float32) * (1.0 / (1.0 - rate))
    kept = tf.where(signed > 0.0, scaled, 0.0)
    return tf.cast(tf.abs(signed) * (kept - dots), upstream.dtype)


@fused
def _row_dots(x, y):
    """Float32 sums of x * y over the last axis, kept."""
    products = tf.cast(x, tf.float32) * tf.cast(y, tf.float32)
    return tf.reduce_sum(products, -1, keepdims=True)


def _rows(x: tf.Tensor, start: int, end: int | None) -> tf.Tensor:
    """x[:, :, start:end], without an operation where that is all of it."""
    whole = x.shape[2] == 1 or (start == 0 and end in (None, x.shape[2]))
    return x if whole else x[:, :, start:end]


def _columns(x: tf.Tensor, end: int | None) -> tf.Tensor:
    whole = x.shape[3] == 1 or end in (None, x.shape[3])
    return x if whole else x[..., :end]


def _padded(x: tf.Tensor, size: int) -> tf.Tensor:
    return tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, size - x.shape[3]]])


def _sum_prefixes(parts: list[tf.Tensor], blocks: list[tuple]) -> tf.Tensor:
    """Sums tensors of which each holds the rows up to its block's end."""
    sizes = [end - start for start, end in blocks]
    pieces = [tf.split(x, sizes[: i + 1], axis=2) for i, x in enumerate(parts)]
    sums = [tf.add_n([p[i] for p in pieces[i:]]) for i in range(len(sizes))]
    return tf.concat(sums, axis=2)


def _sum_to(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums a gradient over the axes along which `like` was broadcast."""
    axes = [i for i, size in enumerate(like.shape) if size == 1]
    return tf.reduce_sum(gradient, axes, keepdims=True)


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
        """Queries [b, heads, l, size], keys, values [b, key_value_heads, k, size]."""
        h, g = self.num_heads, self.num_key_value_heads
        if self.cross:
            return _split_heads(self.query(x), h), *memory
        return tf.split(_split_heads(self.qkv(x), h + 2 * g), [h, g, g], axis=1)

    def read_memory(self, memory: tf.Tensor) -> LayerCache:
        """Keys and values of the second sequence of cross attention, [batch, keys, d].

        Decoding makes them once.
        """
        key_value = _split_heads(self.key_value(memory), 2 * self.num_key_value_heads)
        return LayerCache(*tf.split(key_value, 2, axis=1))

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

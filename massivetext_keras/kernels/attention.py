"""Scaled dot-product attention (Vaswani et al., 2017): as it reads, and for training.

`attend` is the formula. `attend_training` gives the same values and gradients, with a
backward pass by hand that keeps one tensor of weights and makes no scores that
causality hides.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import tensorflow as tf

from massivetext_keras.kernels.dropout import keep_mask
from massivetext_keras.kernels.fused import fused
from massivetext_keras.kernels.product import product
from massivetext_keras.kernels.shapes import shape_of

# Rows of queries that share one set of visible keys in causal training.
CAUSAL_ROWS = 128


class Dropout(Protocol):
    """What attention asks of dropout: its rate, and keys that are new at each call."""

    rate: float

    def next_key(self) -> tf.Tensor: ...


def attention_scores(
    query: tf.Tensor, key: tf.Tensor, bias: tf.Tensor | None = None, multiply=tf.matmul
) -> tf.Tensor:
    """query key^T + bias, [batch, heads, queries, keys]; arguments as of `attend`."""
    scores = multiply(_grouped(query, key), key, transpose_b=True)
    scores = tf.reshape(scores, [*shape_of(query)[:3], shape_of(key)[2]])
    if bias is None:
        return scores
    # Not `scores + bias`: TensorFlow 2.21 fuses product, scale and sum into one oneDNN
    # kernel that takes 300 times as long where the bias is broadcast.
    return scores - bias * tf.constant(-1.0, bias.dtype)


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
    return _weighted(tf.nn.softmax(attention_scores(query, key, bias)), value)


class Part(NamedTuple):
    """Queries from `start` to `end`, and how many keys they see (None: all)."""

    start: int
    end: int | None
    seen: int | None


def attend_training(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    bias: tf.Tensor | None,
    dropout: Dropout,
    causal: bool,
) -> tf.Tensor:
    """`attend` with dropout on the weights, and a backward pass written by hand.

    With `causal` the queries go in parts, each against the keys up to its last one: no
    scores are made that causality hides anyway. Of the weights one tensor is kept for
    the backward pass, with a minus sign where they were dropped.

    Args:
        query, key, value, bias: as for `attend`.
        dropout: its rate, and a key for every part.
        causal: `bias` hides the keys after a query.
    """
    rate, length = dropout.rate, query.shape[2]
    parts = _parts(length, causal)
    seeds = [dropout.next_key() if rate else None for _ in parts]
    if bias is None:
        bias = tf.zeros([1, 1, 1, 1], query.dtype)

    @tf.custom_gradient
    def attention(query, key, value, bias):
        signed, outputs = [], []
        for part, seed in zip(parts, seeds, strict=True):
            scores = attention_scores(
                _rows(query, part.start, part.end),
                _rows(key, 0, part.seen),
                _rows(_columns(bias, part.seen), part.start, part.end),
                multiply=product,
            )
            weights = tf.nn.softmax(scores)
            signed.append(_drop_by_sign(weights, seed, rate=rate) if rate else weights)
            kept = _kept(signed[-1], rate)
            outputs.append(_weighted(kept, _rows(value, 0, part.seen), product))
        output = tf.concat(outputs, 2) if len(parts) > 1 else outputs[0]

        def backward(upstream):
            dots = _row_dots(upstream, output)
            arguments = query, key, value, upstream, dots
            gradients = [
                _backward(*arguments, weights, part, rate)
                for part, weights in zip(parts, signed, strict=True)
            ]
            dquery, dkey, dvalue, dbias = _joined(gradients, parts, length)
            return dquery, dkey, dvalue, _sum_to(dbias, bias)

        return output, backward

    return attention(query, key, value, bias)


def _parts(length: int | None, causal: bool) -> list[Part]:
    if not length:
        return [Part(0, None, None)]
    size = min(CAUSAL_ROWS, length) if causal else length
    ends = [*range(size, length, size), length]
    starts = [0, *ends[:-1]]
    return [
        Part(start, end, end if causal else None)
        for start, end in zip(starts, ends, strict=True)
    ]


def _backward(query, key, value, upstream, dots, weights, part: Part, rate: float):
    """Gradients of a part's queries, keys, values and scores."""
    keys, values = _rows(key, 0, part.seen), _rows(value, 0, part.seen)
    rows = _grouped(_rows(upstream, part.start, part.end), values)
    grouped = _grouped(_kept(weights, rate), values)
    dvalue = product(grouped, rows, transpose_a=True)
    dweights = product(rows, values, transpose_b=True)
    dweights = tf.reshape(dweights, shape_of(weights))
    dots = _rows(dots, part.start, part.end)
    dscores = _softmax_backward(weights, dweights, dots, rate=rate)
    queries = _rows(query, part.start, part.end)
    grouped = _grouped(dscores, keys)
    dkey = product(grouped, _grouped(queries, keys), transpose_a=True)
    dquery = tf.reshape(product(grouped, keys), shape_of(queries))
    return dquery, dkey, dvalue, dscores


def _joined(gradients: list[tuple], parts: list[Part], length: int | None) -> tuple:
    """Those of all queries, keys, values and scores from those of the parts."""
    if len(parts) == 1 or length is None:
        return gradients[0]
    dquery, dkey, dvalue, dscores = zip(*gradients, strict=True)
    return (
        tf.concat(dquery, 2),
        _sum_prefixes(dkey, parts, length),
        _sum_prefixes(dvalue, parts, length),
        tf.concat([_padded(x, length) for x in dscores], 2),
    )


@fused
def _drop_by_sign(weights, seed, *, rate):
    return tf.where(keep_mask(weights, seed, rate), weights, -weights)


def _kept(signed: tf.Tensor, rate: float) -> tf.Tensor:
    return _undropped(signed, rate=rate) if rate else signed


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


def _weighted(weights: tf.Tensor, value: tf.Tensor, multiply=tf.matmul) -> tf.Tensor:
    output = multiply(_grouped(weights, value), value)
    return tf.reshape(output, [*shape_of(weights)[:3], value.shape[3]])


def _grouped(x: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Folds the heads that share a key/value head into the rows: no copies of keys."""
    if x.shape[1] == key.shape[1]:
        return x
    batch, _, _, size = shape_of(x)
    return tf.reshape(x, [batch, key.shape[1], -1, size])


def _rows(x: tf.Tensor, start: int, end: int | None) -> tf.Tensor:
    """x[:, :, start:end], without an operation where that is all of it."""
    whole = x.shape[2] == 1 or (start == 0 and end in (None, x.shape[2]))
    return x if whole else x[:, :, start:end]


def _columns(x: tf.Tensor, end: int | None) -> tf.Tensor:
    whole = x.shape[3] == 1 or end in (None, x.shape[3])
    return x if whole else x[..., :end]


def _padded(x: tf.Tensor, size: int) -> tf.Tensor:
    return tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, size - x.shape[3]]])


def _sum_prefixes(
    gradients: tuple[tf.Tensor, ...], parts: list[Part], length: int
) -> tf.Tensor:
    """Sums tensors of which each holds the rows up to its part's end."""
    starts = [part.start for part in parts]
    ends = [*starts[1:], length]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    pieces = [tf.split(x, sizes[: i + 1], axis=2) for i, x in enumerate(gradients)]
    sums = [tf.add_n([p[i] for p in pieces[i:]]) for i in range(len(sizes))]
    return tf.concat(sums, axis=2)


def _sum_to(gradient: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums a gradient over the axes along which `like` was broadcast."""
    axes = [i for i, size in enumerate(like.shape) if size == 1]
    return tf.reduce_sum(gradient, axes, keepdims=True)

"""How well states fit the tokens of another text: scores, and their gradients.

All of them are float32; keys and queries may be narrower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.kernels.fused import fused

Slopes = tuple[tf.Tensor, ...]


class Score(NamedTuple):
    """A way to compare a query with keys.

    Attributes:
        one: query [batch, a], keys [batch, keys, a], vector -> [batch, keys].
        all: queries [batch, length, a], keys, vector -> [batch, length, keys], which
            TensorFlow differentiates.
        empty: keys, vector -> what `back` sums up, before the first step.
        back: gradients of one step's scores [batch, keys], query, keys, vector, sums ->
            gradient of the query, and the sums with what this step adds.
        finish: the sums, gradients of the scores of all steps [batch, length, keys],
            queries [batch, length, a] -> gradients of keys and of the vector.
    """

    one: Callable
    all: Callable
    empty: Callable
    back: Callable
    finish: Callable


def _inner(query, keys, vector):
    return _wide(tf.matmul(query[:, None], keys, transpose_b=True)[:, 0])


def _inner_all(queries, keys, vector):
    return _wide(tf.matmul(queries, keys, transpose_b=True))


def _inner_back(slopes, query, keys, vector, sums: Slopes):
    slopes = tf.cast(slopes, keys.dtype)
    return tf.matmul(slopes[:, None], keys)[:, 0], sums


def _inner_finish(sums: Slopes, slopes, queries):
    slopes = tf.cast(slopes, queries.dtype)
    return tf.matmul(slopes, queries, transpose_a=True), None


def _added(query, keys, vector):
    inner = tf.tanh(_wide(keys) + _wide(query)[:, None])
    return tf.linalg.matvec(inner, _wide(vector))


@fused
def _added_all(queries, keys, vector):
    inner = tf.tanh(_wide(keys)[:, None] + _wide(queries)[:, :, None])
    return tf.reduce_sum(inner * _wide(vector), axis=-1)


def _added_empty(keys, vector) -> Slopes:
    return tf.zeros(tf.shape(keys), tf.float32), tf.zeros(tf.shape(vector), tf.float32)


def _added_back(slopes, query, keys, vector, sums: Slopes):
    inner = tf.tanh(_wide(keys) + _wide(query)[:, None])
    of_vector = tf.einsum("bs,bsa->a", slopes, inner)
    of_sum = slopes[:, :, None] * ((1.0 - inner * inner) * _wide(vector))
    of_query = tf.cast(tf.reduce_sum(of_sum, axis=1), query.dtype)
    return of_query, (sums[0] + of_sum, sums[1] + of_vector)


def _added_finish(sums: Slopes, slopes, queries):
    return sums


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)


# Luong et al., 2015, whose matrix made the keys; Bahdanau et al., 2015, whose matrices
# made the keys and the queries.
SCORES = {
    "multiplicative": Score(
        _inner, _inner_all, lambda keys, vector: (), _inner_back, _inner_finish
    ),
    "additive": Score(_added, _added_all, _added_empty, _added_back, _added_finish),
}

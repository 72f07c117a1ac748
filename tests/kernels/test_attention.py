"""Attention for training is attention as it reads, which is that of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels import attention
from massivetext_keras.kernels.attention import attend, attend_training
from massivetext_keras.kernels.dropout import keep_mask
from massivetext_keras.layers.dropout import Dropout
from tests.layers import plain

ROWS = attention.CAUSAL_ROWS


def tensors(queries: int, keys: int, heads: int = 4, groups: int = 4, seed: int = 0):
    random = np.random.default_rng(seed)
    shapes = [(2, heads, queries, 3), (2, groups, keys, 3), (2, groups, keys, 3)]
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def causal_bias(length: int) -> np.ndarray:
    hidden = np.triu(np.ones([length, length]), 1)
    return (-1e9 * hidden).astype("float32")[None, None]


def with_gradients(function, arrays):
    """The value and the gradients by all arguments of a function of tensors."""
    arguments = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = function(*arguments)
        # A weight per entry, so that no gradient cancels in the sum.
        weights = tf.cast(
            tf.reshape(tf.range(tf.size(value)) % 7, value.shape), "float32"
        )
        total = tf.reduce_sum(value * (weights - 2.5))
    return value, tape.gradient(total, arguments)


def assert_same(left, right, atol=2e-5):
    tf.nest.map_structure(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol), left, right
    )


@pytest.mark.parametrize("groups", [4, 2, 1])
@pytest.mark.parametrize("cross", [False, True])
def test_attend_is_softmax_of_scores_times_values(groups, cross):
    query, key, value = tensors(5, 7 if cross else 5, 4, groups)
    bias = np.random.default_rng(1).normal(size=(1, 4, 5, key.shape[2]))
    found = attend(query, key, value, tf.constant(bias, tf.float32))
    np.testing.assert_allclose(
        found, plain.attention(query, key, value, bias), atol=1e-5
    )


@pytest.mark.parametrize("length", [1, 5, ROWS, 2 * ROWS + 37])
@pytest.mark.parametrize(("groups", "per_head"), [(4, False), (2, True), (1, False)])
def test_causal_training_is_plain_attention(length, groups, per_head):
    arrays = tensors(length, length, 4, groups)
    arrays.append(causal_bias(length))
    if per_head:  # as relative positions have it
        random = np.random.default_rng(2)
        arrays[3] = arrays[3] + random.normal(size=(1, 4, length, length))
        arrays[3] = arrays[3].astype("float32")

    def training(query, key, value, bias):
        return attend_training(query, key, value, bias, Dropout(0.0), causal=True)

    value, gradients = with_gradients(training, arrays)
    expected, wanted = with_gradients(attend, arrays)
    assert_same(value, expected)
    assert_same(gradients, wanted)


@pytest.mark.parametrize(
    "shape", [(2, 1, 1, 6), (1, 4, 6, 6), (2, 1, 6, 6), (1, 1, 1, 1)]
)
def test_gradient_of_a_broadcast_bias(shape):
    arrays = [*tensors(6, 6, 4, 2), np.random.default_rng(4).normal(size=shape)]
    arrays[3] = arrays[3].astype("float32")

    def training(query, key, value, bias):
        return attend_training(query, key, value, bias, Dropout(0.0), causal=False)

    assert_same(with_gradients(training, arrays), with_gradients(attend, arrays))


@pytest.mark.parametrize("keys", [3, 9])
def test_cross_training_sees_all_keys(keys):
    arrays = [*tensors(5, keys), np.zeros([1, 1, 5, keys], "float32")]
    found = with_gradients(
        lambda q, k, v, b: attend_training(q, k, v, b, Dropout(0.0), causal=False),
        arrays,
    )
    assert_same(found, with_gradients(attend, arrays))


def test_training_with_lengths_known_only_when_it_runs():
    arrays = [*tensors(ROWS + 3, ROWS + 3, 4, 2), causal_bias(ROWS + 3)]

    @tf.function(
        input_signature=[tf.TensorSpec([None, n, None, 3]) for n in (4, 2, 2)]
        + [tf.TensorSpec([1, 1, None, None])]
    )
    def training(query, key, value, bias):
        return attend_training(query, key, value, bias, Dropout(0.0), causal=True)

    assert_same(with_gradients(training, arrays), with_gradients(attend, arrays))


@pytest.mark.parametrize("length", [6, ROWS + 5])
def test_dropout_gradient_is_that_of_the_same_mask(length):
    rate, bias = 0.3, causal_bias(length)
    arrays = tensors(length, length, 4, 2)
    dropout, twin = Dropout(rate, seed=7), Dropout(rate, seed=7)
    keys = [twin.next_key() for _ in range(-(-length // ROWS))]

    def training(query, key, value):
        return attend_training(query, key, value, tf.constant(bias), dropout, True)

    def explicit(query, key, value):
        key, value = (tf.repeat(x, 2, axis=1) for x in (key, value))
        parts = []
        for i, mask_key in enumerate(keys):
            start, end = i * ROWS, min((i + 1) * ROWS, length)
            scores = query[:, :, start:end] @ tf.linalg.matrix_transpose(key)
            weights = tf.nn.softmax(scores + bias[:, :, start:end])[..., :end]
            keep = keep_mask(weights, mask_key, rate)
            weights = tf.where(keep, weights, 0.0) / (1.0 - rate)
            parts.append(weights @ value[:, :, :end])
        return tf.concat(parts, axis=2)

    found, expected = with_gradients(training, arrays), with_gradients(explicit, arrays)
    assert_same(found, expected, atol=1e-4)


def test_dropout_keeps_the_mean_and_makes_a_new_mask_each_call():
    query, key, _ = tensors(64, 64)
    value = tf.ones([2, 4, 64, 3])
    dropout = Dropout(0.25, seed=1)
    outputs = [
        attend_training(query, key, value, None, dropout, causal=False).numpy()
        for _ in range(20)
    ]
    # Of 20 * 2 * 4 * 64 rows, each a mean over about 20 effective keys.
    assert abs(np.mean(outputs) - 1.0) < 0.01
    assert not np.array_equal(outputs[0], outputs[1])
    kept = [x for x in outputs[0].ravel() if abs(x - 1.0) < 1e-6]
    assert len(kept) < 10

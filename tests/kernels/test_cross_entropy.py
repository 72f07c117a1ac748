"""Cross-entropy in chunks is that of all the logits."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels import cross_entropy as loss
from massivetext_keras.kernels.split import split_among
from massivetext_keras.kernels.tuning import Tuner, set_tuning


def arguments(tokens: int, vocabulary: int, size: int = 5) -> list[tf.Tensor]:
    random = np.random.default_rng(tokens)
    return [
        tf.constant(random.normal(size=(tokens, size)), tf.float32),
        tf.constant(random.normal(size=(vocabulary, size)), tf.float32),
        tf.constant(random.integers(0, vocabulary, tokens), tf.int32),
        tf.constant(random.integers(0, 3, tokens) * 0.5, tf.float32),
    ]


def by_tensorflow(hidden, matrix, labels, weights):
    logits = tf.matmul(hidden, matrix, transpose_b=True)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_sum(losses * weights)


def summed(*arguments, **options) -> tf.Tensor:
    return loss.cross_entropy(*arguments, **options)[0]


def with_gradients(function, hidden, matrix, *rest):
    with tf.GradientTape() as tape:
        tape.watch([hidden, matrix])
        value = 3.0 * function(hidden, matrix, *rest)
    return value, *tape.gradient(value, [hidden, matrix])


@pytest.mark.parametrize("chunk", [1, 4, 1000])
@pytest.mark.parametrize(("tokens", "vocabulary"), [(1, 2), (7, 11), (8, 50), (9, 3)])
def test_value_and_gradients(tokens, vocabulary, chunk):
    all_arguments = arguments(tokens, vocabulary)
    chunked = functools.partial(summed, chunk_logits=chunk * vocabulary)
    found = with_gradients(chunked, *all_arguments)
    expected = with_gradients(by_tensorflow, *all_arguments)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_on_a_mesh_a_chunk_waits_for_the_one_before_it():
    hidden, matrix, labels, weights = arguments(8, 11)
    hidden, labels, weights = (
        tf.reshape(x, [2, 4, *x.shape[1:]]) for x in (hidden, labels, weights)
    )
    chunked = tf.function(functools.partial(summed, chunk_logits=2 * 11))
    with split_among(1):
        graph = chunked.get_concrete_function(hidden, matrix, labels, weights).graph
        value = chunked(hidden, matrix, labels, weights)
    right = by_tensorflow(*arguments(8, 11))
    np.testing.assert_allclose(value, right, rtol=1e-5)
    logits = [
        op for op in graph.get_operations() if op.outputs and is_product(op, [2, 11])
    ]
    assert len(logits) == 4
    for before, later in itertools.pairwise(logits):
        assert before in ancestors(later)


def is_product(op: tf.Operation, shape: list[int]) -> bool:
    return "MatMul" in op.type and op.outputs[0].shape == shape


def ancestors(op: tf.Operation) -> set[tf.Operation]:
    """All operations that have to be done before one, as their results enter."""
    found, left = set(), [op]
    while left:
        new = {tensor.op for tensor in left.pop().inputs} - found
        found |= new
        left += new
    return found


def test_the_number_of_tokens_may_be_known_late():
    hidden, *rest = arguments(7, 11)
    late = tf.function(
        summed,
        input_signature=[
            tf.TensorSpec([None, 5]),
            tf.TensorSpec([11, 5]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None]),
        ],
    )
    found = with_gradients(late, hidden, *rest)
    for x, y in zip(found, with_gradients(by_tensorflow, hidden, *rest), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_known_values():
    hidden = tf.constant([[0.0], [1.0], [1.0]])
    matrix = tf.constant([[0.0], [math.log(3.0)]])  # odds 1:1, 1:3, 1:3
    value, parts = loss.cross_entropy(hidden, matrix, [0, 1, 0], [1.0, 2.0, 0.5])
    expected = [math.log(2), 2 * math.log(4 / 3), 0.5 * math.log(4)]
    assert float(value) == pytest.approx(sum(expected), abs=1e-6)
    assert parts.numpy() == pytest.approx(expected, abs=1e-6)


def test_tokens_without_weight_leave_no_trace():
    hidden, matrix, labels, _ = arguments(4, 6)
    weights = tf.constant([1.0, 0.0, 1.0, 0.0])
    found = with_gradients(summed, hidden, matrix, labels, weights)
    two = tf.constant([0, 2])
    rows, marks = tf.gather(hidden, two), tf.gather(labels, two)
    expected = with_gradients(by_tensorflow, rows, matrix, marks, tf.ones([2]))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4, atol=1e-6)
    assert np.array_equal(found[1][1::2], np.zeros([2, 5]))


def test_large_logits_are_no_problem():
    hidden, matrix = tf.constant([[1000.0]]), tf.constant([[1.0], [-1.0]])
    value, dhidden, _ = with_gradients(summed, hidden, matrix, [1], [1.0])
    assert (float(value), float(dhidden[0, 0])) == (6000.0, 6.0)


def test_token_losses_are_minus_log_probabilities():
    logits = tf.math.log(tf.constant([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]))
    found = loss.token_losses(logits, tf.constant([[1, 2]]))
    np.testing.assert_allclose(found, [[math.log(4), -math.log(0.8)]], rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("with_bias", [False, True])
def test_bias_and_smoothing(with_bias, smoothing):
    hidden, matrix, labels, weights = arguments(9, 11)
    bias = tf.constant(np.random.default_rng(5).normal(size=11), tf.float32)
    sources = [hidden, matrix, bias]

    def keras_loss(hidden, matrix, bias):
        logits = tf.matmul(hidden, matrix, transpose_b=True) + bias * with_bias
        targets = tf.one_hot(labels, 11) * (1 - smoothing) + smoothing / 11
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(losses * weights)

    def ours(hidden, matrix, bias):
        bias = bias if with_bias else None
        args = hidden, matrix, labels, weights, bias, smoothing
        return summed(*args, chunk_logits=4 * 11)

    def as_it_reads(hidden, matrix, bias):
        bias = bias if with_bias else None
        args = hidden, matrix, labels, weights, bias, smoothing
        return loss.plain_cross_entropy(*args)[0]

    results = []
    for function in (ours, as_it_reads, keras_loss):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            value = 2.0 * function(*sources)
        gradients = tape.gradient(
            value, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        results.append([value, *gradients])
    *forms, by_keras = results
    for found, expected in zip(sum(forms, []), 2 * by_keras, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


class Softmax(Tuner):
    """Takes the form of TensorFlow's softmax, and of everything else the first."""

    def fastest(self, what, forms, arguments):
        for form in forms.values():
            form(*arguments())  # each can be run
        return "softmax" if "softmax" in forms else next(iter(forms))


@pytest.fixture
def softmax():
    set_tuning(Softmax())
    yield
    set_tuning(False)  # as in all tests


def test_by_softmax(softmax):
    all_arguments = arguments(tokens=512, vocabulary=2048)
    found = with_gradients(summed, *all_arguments)
    expected = with_gradients(by_tensorflow, *all_arguments)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_by_softmax_losses_may_be_larger_than_a_probability_can_tell(softmax):
    hidden, matrix, labels, weights = arguments(tokens=512, vocabulary=2048)
    hidden *= 100.0
    found = with_gradients(summed, hidden, matrix, labels, weights)
    expected = with_gradients(by_tensorflow, hidden, matrix, labels, weights)
    assert float(expected[0]) > 3 * 512 * 87.4  # minus the smallest logarithm
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-4)

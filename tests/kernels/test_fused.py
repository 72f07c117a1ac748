"""Fused functions have the values and gradients of plain ones."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.kernels.fused import fused, fused_elementwise


def mix(x, y, shift, *, power):
    """Of two floats that broadcast and an integer, with a static value."""
    return tf.tanh(x) * y**power + tf.cast(shift, x.dtype) * x


def test_value_and_gradients_are_those_of_the_plain_function():
    calls = []

    @fused
    def counted(*tensors, power):
        calls.append(power)
        return mix(*tensors, power=power)

    x, y = tf.constant([[0.5, -1.0], [2.0, 0.1]]), tf.constant([1.5, -0.5])
    shift, upstream = tf.constant([1, 3]), tf.constant([[1.0, 2.0], [3.0, -1.0]])
    for power in (2, 3):
        results = []
        for function in (counted, mix):
            with tf.GradientTape() as tape:
                tape.watch([x, y])
                value = function(x, y, shift, power=power)
            results.append((value, *tape.gradient(value, [x, y], upstream)))
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    before = len(calls)
    counted(x, y, shift, power=2)
    assert len(calls) == before  # traced once


def test_inside_a_graph_of_unknown_shape():
    square = fused(lambda x: x * x)

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def slope(x):
        return tf.gradients(square(x), x)[0]

    for values in ([1.0, 2.0], [3.0]):
        assert slope(tf.constant(values)).numpy().tolist() == [2 * v for v in values]


def test_slopes_of_an_elementwise_function():
    def gate(x, y, *, power):
        return tf.tanh(x) * y**power

    compiled = fused_elementwise(gate)
    random = np.random.default_rng(0)
    x, y, upstream = (
        tf.constant(random.normal(size=(3, 4)), tf.float32) for _ in range(3)
    )
    for power in (1, 3):
        results = []
        for function in (compiled, gate):
            with tf.GradientTape() as tape:
                tape.watch([x, y])
                value = function(x, y, power=power)
            results.append((value, *tape.gradient(value, [x, y], upstream)))
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)

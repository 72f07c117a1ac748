"""Activations against NumPy, those for training against those that read."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.activation import activate, activate_training
from tests.layers import plain


def test_the_two_gelus_differ():
    x = tf.constant([2.0])
    assert float(activate(x, name="gelu")[0]) == pytest.approx(1.9544997, abs=1e-6)
    assert float(activate(x, name="gelu_tanh")[0]) == pytest.approx(1.9545977, abs=1e-6)


@pytest.mark.parametrize("name", plain.ACTIVATIONS)
@pytest.mark.parametrize("gated", [False, True])
def test_training_has_the_same_values_and_slopes(name, gated):
    random = np.random.default_rng(0)
    x, gate, upstream = (
        tf.constant(random.normal(size=(3, 5)), tf.float32) for _ in range(3)
    )
    tensors = [x, gate] if gated else [x]
    results = []
    for function in (activate, activate_training):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            y = function(*tensors, name=name)
        results.append([y, *tape.gradient(y, tensors, upstream)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    expected = plain.ACTIVATIONS[name](x.numpy().astype("float64"))
    expected = expected * gate.numpy() if gated else expected
    np.testing.assert_allclose(results[1][0], expected, rtol=1e-5, atol=1e-5)

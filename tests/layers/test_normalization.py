"""Normalisation against NumPy, its backward pass against the tape's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.normalization import Normalization
from tests.layers import plain
from tests.tasks.tiny import randomize

KINDS = ["layer_norm", "rms_norm"]


def make(kind: str, epsilon: float = 1e-3, dtype="float32") -> Normalization:
    layer = Normalization(kind, epsilon, dtype=dtype)
    layer.build((None, 6))
    return randomize(layer, scale=1.0)


def values(shape: tuple) -> np.ndarray:
    return np.random.default_rng(1).normal(3.0, 2.0, shape).astype("float32")


def expected_of(layer: Normalization, x: np.ndarray) -> np.ndarray:
    offset = layer.offset.numpy() if layer.center else 0.0
    gain = layer.gain.numpy()
    return plain.normalize(x, gain, offset, layer.epsilon, layer.center)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 3, 6), (5, 6), (1, 6)])
def test_value(kind, shape, training):
    layer, x = make(kind), values(shape)
    found = layer(x, training=training)
    np.testing.assert_allclose(found, expected_of(layer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_is_the_gradient_of_the_forward(kind):
    layer, x = make(kind), tf.constant(values((2, 3, 6)))
    upstream = tf.constant(np.random.default_rng(2).normal(size=x.shape), tf.float32)
    gradients = []
    for training in (True, False):  # by hand; the tape's
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        sources = [x, *(w.value for w in layer.weights)]
        gradients.append(tape.gradient(y, sources, upstream))
    for by_hand, by_tape in zip(*gradients, strict=True):
        np.testing.assert_allclose(by_hand, by_tape, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_is_the_slope(kind):
    layer, x = make(kind), values((1, 6))
    upstream = np.random.default_rng(3).normal(size=(1, 6))
    source = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(source)
        y = layer(source, training=True)
    found = tape.gradient(y, source, tf.constant(upstream, tf.float32))
    x, step = x.astype("float64"), 1e-5
    for i in range(6):
        moved = np.zeros([1, 6])
        moved[0, i] = step
        rise = expected_of(layer, x + moved) - expected_of(layer, x - moved)
        assert float(found[0, i]) == pytest.approx(
            (rise * upstream).sum() / 2 / step, abs=1e-4
        )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_normalised_in_float32(kind, training):
    layer = make(kind, dtype="mixed_bfloat16")
    x = tf.cast(values((4, 6)), tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
    gradient = tape.gradient(y, x)
    assert y.dtype == gradient.dtype == tf.bfloat16
    expected = expected_of(layer, tf.cast(x, tf.float64).numpy())
    # One rounding to bfloat16 at the end and no other: half a unit of 2**-8.
    np.testing.assert_allclose(tf.cast(y, tf.float64), expected, rtol=2**-8, atol=1e-6)
    wide = make(kind)
    wide.set_weights(layer.get_weights())
    x = tf.cast(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = wide(x)
    np.testing.assert_allclose(
        tf.cast(gradient, tf.float64), tape.gradient(y, x), rtol=2**-7, atol=2e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_mean_and_a_row_of_zeros(kind):
    layer = make(kind, epsilon=1e-5)
    x = values((1, 6)) + 1000.0
    np.testing.assert_allclose(
        layer(x), expected_of(layer, x.astype("float64")), atol=2e-3
    )
    zeros = layer(np.zeros([1, 6], "float32"), training=True)
    np.testing.assert_allclose(zeros, expected_of(layer, np.zeros([1, 6])), atol=1e-6)


def test_the_config_builds_the_same_layer():
    again = Normalization.from_config(Normalization("rms_norm", 0.5).get_config())
    assert (again.kind, again.epsilon, again.center) == ("rms_norm", 0.5, False)

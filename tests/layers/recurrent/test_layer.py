"""Recurrent layers: against Keras's with the same weights; their dropout."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.random import keys_from
from massivetext_keras.layers.recurrent.layer import RecurrentLayer

SIZE, UNITS = 3, 5


def built(cell: str, **options) -> RecurrentLayer:
    layer = RecurrentLayer(cell, UNITS, **options)
    layer.build((None, None, SIZE))
    random = np.random.default_rng(0)
    for weight in layer.weights:
        if len(weight.shape) == 2:
            weight.assign(random.normal(0.0, 0.5, weight.shape))
    return layer


def keras_layer(layer: RecurrentLayer, cell: str):
    """Keras's layer of the same weights."""
    kernel, bias = (x.numpy() for x in layer.projection.weights)
    recurrent, own = layer.recurrent_kernel.numpy(), layer.recurrent_bias
    kind = {
        "rnn": keras.layers.SimpleRNN,
        "gru": keras.layers.GRU,
        "lstm": keras.layers.LSTM,
    }[cell]
    other = kind(UNITS, return_sequences=True)
    other.build((None, None, SIZE))
    own = np.zeros_like(bias) if own is None else own.numpy()
    biases = np.stack([bias, own]) if cell == "gru" else bias + own
    other.set_weights([kernel, recurrent, biases])
    return other


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_layer_of_keras(cell, biased):
    layer = built(cell, recurrent_bias=biased)
    for i, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(i).normal(0.0, 0.5, weight.shape))
    other = keras_layer(layer, cell)
    x = np.random.default_rng(1).normal(size=(2, 7, SIZE)).astype("float32")
    with tf.GradientTape() as tape:
        expected = other(x, training=True)
        theirs = tape.gradient(
            tf.reduce_sum(expected**2), other.trainable_variables[0].value
        )
    with tf.GradientTape() as tape:
        steps = tf.transpose(x, [1, 0, 2])
        given, _ = layer(steps, layer.empty_states(2), training=True)
        ours = tape.gradient(tf.reduce_sum(given**2), layer.projection.kernel.value)
    np.testing.assert_allclose(tf.transpose(given, [1, 0, 2]), expected, atol=1e-5)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_forget_gate_begins_open():
    biases = built("lstm").projection.bias.numpy().reshape(4, UNITS)
    assert biases.tolist() == [[0.0] * 5, [1.0] * 5, [0.0] * 5, [0.0] * 5]
    assert not built("gru").projection.bias.numpy().any()
    biases = built("lstm", forget_bias=0.5).projection.bias.numpy()
    assert biases.sum() == 2.5


def run(layer, key: int | None = None):
    x = tf.ones([6, 2, SIZE])
    if key is None:
        return layer(x, layer.empty_states(2))[0].numpy()
    with keys_from(tf.constant(key, tf.uint32)):
        return layer(x, layer.empty_states(2), training=True)[0].numpy()


@pytest.mark.parametrize("rate", ["recurrent_dropout", "weight_dropout"])
def test_dropout_within_the_loop_is_of_training_alone(rate):
    layer, plain = built("lstm", **{rate: 0.5}), built("lstm")
    np.testing.assert_array_equal(run(layer), run(plain))
    first, again, other = run(layer, 1), run(layer, 1), run(layer, 2)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    # The first step reads no state that could be dropped.
    np.testing.assert_allclose(first[0], run(plain)[0], atol=1e-7)


def test_weight_dropout_drops_weights_of_all_rows_and_steps():
    layer = built("rnn", weight_dropout=0.5)
    first = run(layer, 1)
    np.testing.assert_array_equal(first[:, 0], first[:, 1])  # rows are equal
    expected, h = [], np.zeros([1, UNITS], "float32")
    with keys_from(tf.constant(1, tf.uint32)):
        kernel = layer.weight_dropout(layer.recurrent_kernel.value, training=True)
    share = np.mean(kernel.numpy() == 0)
    assert 0.1 < share < 0.9
    projected = layer.projection(tf.ones([1, SIZE])).numpy()
    for _ in range(6):
        h = np.tanh(projected + h @ kernel.numpy())
        expected.append(h[0])
    np.testing.assert_allclose(first[:, 0], expected, atol=1e-6)


def test_recurrent_dropout_drops_the_same_features_at_every_step():
    layer = built("rnn", recurrent_dropout=0.5)
    first, h = run(layer, 3), np.zeros([2, UNITS], "float32")
    with keys_from(tf.constant(3, tf.uint32)):
        mask = layer.state_dropout(tf.ones([2, UNITS]), training=True).numpy()
    assert {0.0, 2.0} == {*mask.ravel()}
    projected = layer.projection(tf.ones([2, SIZE])).numpy()
    for t in range(6):
        h = np.tanh(projected + (h * mask) @ layer.recurrent_kernel.numpy())
        np.testing.assert_allclose(first[t], h, atol=1e-6)

"""Mixture of experts: each token is what its experts alone would make of it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.kernels.fused import island
from massivetext_keras.layers import experts
from massivetext_keras.layers.experts import MixtureOfExperts, balance, lay_out


def layer(num_experts: int = 5, per_token: int = 2, **kwargs) -> MixtureOfExperts:
    keras.utils.set_random_seed(num_experts)
    made = MixtureOfExperts(6, 7, num_experts, per_token, **kwargs)
    made.build()
    for weight in made.weights:
        weight.assign(keras.random.normal(weight.shape))
    return made


def by_hand(made: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    """Token by token: x [tokens, d] -> the same."""
    up, down = made.up.kernel.numpy(), made.down.kernel.numpy()
    shares = tf.nn.softmax(x @ made.router.kernel.numpy()).numpy()
    outputs = np.zeros_like(x)
    for i, row in enumerate(x):
        chosen = np.argsort(-shares[i])[: made.per_token]
        for expert in chosen:
            inner = row @ up[expert]
            if made.gated:
                gate, value = np.split(inner, 2)
                inner = gate / (1 + np.exp(-gate)) * value
            else:
                inner = np.maximum(inner, 0)
            weight = shares[i, expert] / shares[i, chosen].sum()
            outputs[i] += weight * (inner @ down[expert])
    return outputs


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("tokens", [1, 2, 3, 13, 64])
@pytest.mark.parametrize(
    ("num_experts", "per_token", "gated", "activation"),
    [(5, 2, True, "silu"), (4, 1, False, "relu"), (3, 3, True, "silu")],
)
def test_tokens_pass_through_their_experts(
    num_experts, per_token, gated, activation, tokens, training
):
    made = layer(num_experts, per_token, gated=gated, activation=activation)
    x = np.random.default_rng(tokens).normal(size=(tokens, 6)).astype("float32")
    found = made(x[None], training=training)[0]
    np.testing.assert_allclose(found, by_hand(made, x), rtol=1e-4, atol=1e-5)


def test_shapes_may_be_known_late_and_the_layer_compiles():
    made = layer()
    x = np.random.default_rng(0).normal(size=(2, 9, 6)).astype("float32")
    expected = by_hand(made, x.reshape(18, 6)).reshape(2, 9, 6)
    late = tf.function(made, input_signature=[tf.TensorSpec([None, None, 6])])
    np.testing.assert_allclose(late(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(island(made)(x), expected, rtol=1e-4, atol=1e-5)


def test_gradients_reach_all_that_took_part():
    made = layer(4, 2)
    x = np.random.default_rng(1).normal(size=(1, 3, 6)).astype("float32")
    shares = tf.nn.softmax(made.router(x[0]))
    chosen = set(tf.math.top_k(shares, 2).indices.numpy().ravel().tolist())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(made(x, training=True) ** 2)
    kernels = [made.up.kernel.value, made.down.kernel.value]
    for gradient in map(tf.convert_to_tensor, tape.gradient(value, kernels)):
        moved = np.abs(gradient).max(axis=(1, 2)) > 0
        assert set(np.flatnonzero(moved).tolist()) == chosen


def test_the_router_learns():
    made = layer(4, 2)
    x = np.random.default_rng(1).normal(size=(1, 3, 6)).astype("float32")
    numeric, step = [], 1e-2
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(made(x) ** 2)
    gradient = tape.gradient(value, made.router.kernel.value).numpy()
    kernel = made.router.kernel.numpy()
    for sign in (1, -1):
        moved = kernel.copy()
        moved[2, 1] += sign * step
        made.router.kernel.assign(moved)
        numeric.append(float(tf.reduce_sum(made(x) ** 2)))
    slope = (numeric[0] - numeric[1]) / (2 * step)
    assert gradient[2, 1] == pytest.approx(slope, rel=0.02, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_places_differ_and_no_tile_is_shared(chosen):
    tile, tiles = experts._tiling(len(chosen), 7)
    place, of = lay_out(tf.constant(chosen), 7, tile, tiles)
    place, of = place.numpy(), of.numpy()
    assert len(set(place.tolist())) == len(chosen)
    assert place.max() < tile * tiles <= max(2 * len(chosen) + 7 * tile, len(chosen))
    assert of[place // tile].tolist() == chosen


def test_balance_by_hand():
    shares = tf.constant([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]])
    # tokens: 1, 1/2, 1/2 of the slots; means of the shares .6, .3, .1
    found = balance(shares, tf.constant([[0, 1], [0, 2]]))
    assert float(found) == pytest.approx(3 * (1.0 * 0.6 + 0.5 * 0.3 + 0.5 * 0.1))


def test_the_loss_is_added_in_training_alone():
    made = layer(loss=0.5)
    x = np.random.default_rng(1).normal(size=(1, 3, 6)).astype("float32")
    made(x)
    assert made.losses == []
    made(x, training=True)
    shares = tf.nn.softmax(made.router(x[0]))
    expected = 0.5 * balance(shares, tf.math.top_k(shares, 2).indices)
    assert float(made.losses[0]) == pytest.approx(float(expected), rel=1e-5)

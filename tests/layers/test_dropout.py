"""Dropout: how much, where, and how often the same."""

from __future__ import annotations

import types

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.dropout import dropout, keep_mask
from massivetext_keras.kernels.random import random_bits
from massivetext_keras.layers.dropout import Dropout


def key(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)


def signs(key_value: int, size: int = 1 << 16) -> np.ndarray:
    """The 32 bits of every position as -1 and 1, [size, 32]."""
    bits = random_bits((size,), key(key_value)).numpy()
    return ((bits[:, None] >> np.arange(32, dtype="uint32")) & 1) * 2.0 - 1.0


def lowbias32(x: int) -> int:
    """The hash of Wellons, 2018, on Python's integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_bits_are_the_published_hash():
    expected = [lowbias32((i * 0x9E3779B9 + 12345) % 2**32) for i in range(6)]
    assert random_bits((2, 3), key(12345)).numpy().ravel().tolist() == expected


@pytest.mark.parametrize("value", [0, 1, 12345, 2**32 - 1])
def test_every_bit_is_balanced_and_apart_from_its_neighbours(value):
    bits = signs(value)
    bound = 5 / np.sqrt(len(bits))
    assert np.abs(bits.mean(axis=0)).max() < bound
    assert np.abs((bits[1:] * bits[:-1]).mean(axis=0)).max() < bound
    between = bits.T @ bits / len(bits) - np.eye(32)
    assert np.abs(between).max() < bound


@pytest.mark.parametrize("value", [0, 7, 2**31])
def test_neighbouring_keys_are_not_correlated(value):
    bits, others = signs(value), signs(value + 1)
    assert np.abs((bits * others).mean(axis=0)).max() < 5 / np.sqrt(len(bits))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_the_share_kept_is_right(rate):
    size = 1 << 18
    for value in range(5):
        kept = np.mean(keep_mask((size,), key(value), rate))
        assert abs(kept - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / size)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_kept_is_scaled_and_passes_the_gradient(dtype):
    x = tf.cast(tf.range(1.0, 1001.0), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = dropout(x, key(3), rate=0.2)
    keep = keep_mask((1000,), key(3), 0.2).numpy()
    exact = np.where(keep, tf.cast(x, tf.float64) / 0.8, 0.0)
    rounding = 2**-8 if dtype == "bfloat16" else 1e-6
    np.testing.assert_allclose(tf.cast(y, tf.float64), exact, rtol=rounding)
    gradient = tf.cast(tape.gradient(y, x), tf.float64)
    np.testing.assert_allclose(gradient, np.where(keep, 1.25, 0.0), rtol=rounding)


def test_every_call_has_a_mask_of_its_own():
    layer, x = Dropout(0.5, seed=3), tf.ones([4000])
    masks = [layer(x, training=True).numpy() > 0 for _ in range(4)]
    for i in range(4):
        for j in range(i):
            # Two fair coins agree half of the time, within 4 sigma.
            assert abs(np.mean(masks[i] == masks[j]) - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_the_seed_decides():
    x = tf.ones([64])
    first, same, other = (Dropout(0.5, seed=s) for s in (3, 3, 4))
    for _ in range(3):
        y = first(x, training=True).numpy().tolist()
        assert y == same(x, training=True).numpy().tolist()
        assert y != other(x, training=True).numpy().tolist()


def test_replicas_have_masks_of_their_own(monkeypatch):
    keys = set()
    for replica in range(8):
        layer = Dropout(0.5, seed=3)
        context = types.SimpleNamespace(replica_id_in_sync_group=tf.constant(replica))
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda c=context: c)
        keys |= {int(layer.next_key()) for _ in range(8)}
    assert len(keys) == 64


def test_nothing_is_dropped_outside_training():
    x = tf.range(5.0)
    for layer, training in (
        (Dropout(0.5), False),
        (Dropout(0.5), None),
        (Dropout(0.0), True),
    ):
        assert layer(x, training=training).numpy().tolist() == [0, 1, 2, 3, 4]


def test_the_config_builds_the_same_layer():
    again = Dropout.from_config(Dropout(0.25, seed=9).get_config())
    assert (again.rate, again.seed) == (0.25, 9)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_a_residual_is_added_to_what_is_left(rate, training):
    random = np.random.default_rng(0)
    x, residual, upstream = (
        tf.constant(random.normal(size=(3, 50)), tf.float32) for _ in range(3)
    )
    results = []
    for together in (True, False):
        layer = Dropout(rate, seed=5)
        with tf.GradientTape() as tape:
            tape.watch([x, residual])
            if together:
                y = layer(x, residual=residual, training=training)
            else:
                y = residual + layer(x, training=training)
        results.append((y, *tape.gradient(y, [x, residual], upstream)))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)

"""The dropout layer: where it drops, and how often the same."""

from __future__ import annotations

import types

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.dropout import Dropout


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

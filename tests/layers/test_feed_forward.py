"""The feed-forward layer against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.feed_forward import FeedForward
from tests.layers import plain
from tests.tasks.tiny import randomize


@pytest.mark.parametrize("activation", plain.ACTIVATIONS)
@pytest.mark.parametrize(
    ("gated", "bias", "training"),
    [
        (False, True, False),
        (False, True, True),
        (True, True, True),
        (True, False, False),
    ],
)
def test_products_around_an_activation(activation, gated, bias, training):
    layer = FeedForward(4, 6, activation, gated, bias)
    layer.build((None, None, 4))
    randomize(layer, scale=1.0)
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    up = x @ layer.up.kernel.numpy() + (layer.up.bias.numpy() if bias else 0)
    inner = plain.ACTIVATIONS[activation](up[..., :6])
    if gated:
        inner = inner * up[..., 6:]
    down = inner @ layer.down.kernel.numpy()
    expected = down + (layer.down.bias.numpy() if bias else 0)
    found = layer(tf.constant(x, tf.float32), training=training)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_config_builds_the_same_layer():
    layer = FeedForward(4, 6, "silu", gated=True, bias=False, output_scale=0.5)
    again = FeedForward.from_config(layer.get_config())
    again.build((None, 4))
    assert [w.shape for w in again.weights] == [(4, 12), (6, 4)]
    assert (again.activation, again.output_scale) == ("silu", 0.5)

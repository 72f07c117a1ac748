"""The attention layer against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.attention import Attention
from tests.layers import plain
from tests.tasks.tiny import randomize


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_key_value_heads": 2},
        {"num_key_value_heads": 1, "head_size": 5},
        {"qkv_bias": False, "output_bias": False},
        {"scale": 1.0},
        {"cross": True},
        {"cross": True, "num_key_value_heads": 2, "qkv_bias": False},
    ],
    ids=str,
)
def test_the_layer_is_projections_around_attention(options, training):
    layer = Attention(8, 4, **options)
    layer.build((None, None, 8))
    randomize(layer)
    random = np.random.default_rng(3)
    x, memory = random.normal(size=(2, 5, 8)), random.normal(size=(2, 9, 8))
    h, g, cross = 4, layer.num_key_value_heads, layer.cross

    def dense(inner, x):
        return x @ inner.kernel.numpy() + (inner.bias.numpy() if inner.use_bias else 0)

    if cross:
        query = plain.heads(dense(layer.query, x), h)
        both = plain.heads(dense(layer.key_value, memory), 2 * g)
        key, value = both[:, :g], both[:, g:]
    else:
        all_three = plain.heads(dense(layer.qkv, x), h + 2 * g)
        key, value = all_three[:, h : h + g], all_three[:, h + g :]
        query = all_three[:, :h]
    size = options.get("head_size", 2)
    scale = options.get("scale", size**-0.5)
    mixed = plain.attention(query * scale, key, value)
    expected = dense(
        layer.output_projection, np.concatenate([*np.moveaxis(mixed, 1, 0)], -1)
    )
    read = layer.read_memory(tf.constant(memory, tf.float32)) if cross else None
    found = layer(tf.constant(x, tf.float32), memory=read, training=training)
    np.testing.assert_allclose(found, expected, atol=2e-5)

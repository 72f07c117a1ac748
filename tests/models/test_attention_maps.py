"""The weights that are shown are those that attention uses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.attention import Attention
from massivetext_keras.models.attention_maps import stack_weights
from massivetext_keras.models.backbone import positions_of
from tests.layers import plain
from tests.models.families import DECODERS, ENCODERS, backbone
from tests.tasks.tiny import randomize

IDS = [[5, 9, 3, 7, 9, 11, 2]]


def test_weights_are_a_plain_softmax_of_scaled_products():
    layer = Attention(8, num_heads=4, num_key_value_heads=2)
    layer.build((None, None, 8))
    randomize(layer)
    x = np.random.default_rng(0).normal(size=[2, 5, 8]).astype("float32")
    bias = np.triu(np.full([5, 5], -1e9, "float32"), 1)[None, None]
    projected = x @ layer.qkv.kernel.numpy() + layer.qkv.bias.numpy()
    parts = plain.heads(projected, 8)
    query, key = parts[:, :4], np.repeat(parts[:, 4:6], 2, axis=1)
    expected = plain.softmax(query @ np.swapaxes(key, 2, 3) / 2**0.5 + bias)
    found = layer.weights_between(tf.constant(x), tf.constant(bias))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS])
def test_the_weights_of_a_stack_give_what_its_layers_give(family):
    model, ids = backbone(family), tf.constant(IDS)
    positions = positions_of(ids)
    x = model.embeddings(model.tokens(ids), positions)
    weights = stack_weights(model.stack, x, positions)
    shared = model.stack.shared_by_blocks(x, positions)
    looking = {name: shared[name] for name in ("bias", "angles")}
    assert len(weights) == len(model.stack.blocks) == 2
    for shown, block in zip(weights, model.stack.blocks, strict=True):
        np.testing.assert_allclose(np.sum(shown, -1), 1.0, atol=1e-5)
        entered = block.attention_norm(x) if block.pre else x
        layer = block.attention
        value = layer.project(entered)[2]
        value = np.repeat(value, layer.num_heads // layer.num_key_value_heads, axis=1)
        mixed = np.concatenate([*np.moveaxis(shown.numpy() @ value, 1, 0)], -1)
        found = layer.output_projection(tf.constant(mixed))
        np.testing.assert_allclose(found, layer(entered, **looking), atol=2e-5)
        x = block(x, **shared)
    last = model.stack.final_norm(x) if model.stack.final_norm else x
    np.testing.assert_allclose(last, model({"token_ids": ids}), atol=2e-5)

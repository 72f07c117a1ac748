from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.random import keys_from
from massivetext_keras.layers.stack import TransformerStack
from tests.models.families import backbone


def gradients(model, features, recompute: bool) -> list[np.ndarray]:
    for layer in model._flatten_layers():
        if isinstance(layer, TransformerStack):
            layer.recompute = recompute

    @tf.function
    def run():
        with tf.GradientTape() as tape, keys_from(tf.constant(5, tf.uint32)):
            hidden = model(features, training=True)
            loss = tf.reduce_sum(tf.square(hidden)) + tf.reduce_sum(hidden[:, 0])
        return [loss, *tape.gradient(loss, model.trainable_variables)]

    found = run()
    return [tf.convert_to_tensor(x).numpy() for x in found if x is not None]


@pytest.mark.parametrize("name", ["qwen2_7b", "t5_v1_1_small", "albert_base"])
def test_gradients_are_those_of_what_is_kept(name):
    model = backbone(name, dropout=0.3)
    ids = tf.constant([[5, 6, 7, 8], [9, 10, 11, 12]])
    features = {"token_ids": ids}
    if "encoder_decoder" in model.stacks:
        features = {"encoder_token_ids": ids, "decoder_token_ids": ids + 3}
    # What is traced while activations are not kept serves those that are, too.
    made, kept = (gradients(model, features, again) for again in (True, False))
    assert len(kept) == len(made) > 10
    for one, other in zip(kept, made, strict=True):
        scale = max(np.abs(one).max(), 1e-6)
        np.testing.assert_allclose(other / scale, one / scale, rtol=0, atol=1e-5)

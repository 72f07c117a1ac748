"""Heads of pretraining, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.heads.pretraining import DiscriminatorHead, MaskedHead
from tests.layers.plain import normalize

CONFIG = TransformerConfig(
    vocabulary_size=11, hidden_size=8, num_heads=2, embedding_size=6, activation="relu"
)


def built(cls, **changes):
    head = cls(CONFIG.replace(**changes), name="head")
    head.build((None, None, 8))
    random = np.random.default_rng(0)
    for variable in head.weights:
        variable.assign(random.normal(0, 1, variable.shape))
    return head, {v.path.removeprefix("head/"): v.numpy() for v in head.weights}


@pytest.mark.parametrize("training", [False, True])
def test_a_product_an_activation_and_a_norm(training):
    head, w = built(MaskedHead)
    x = np.random.default_rng(1).normal(0, 1, [2, 3, 8]).astype("float32")
    y = np.maximum(x @ w["transform/kernel"] + w["transform/bias"], 0)
    y = normalize(y, w["norm/gain"], w["norm/offset"], CONFIG.norm_epsilon, True)
    np.testing.assert_allclose(head(x, training=training), y, atol=1e-5)
    assert w["bias"].shape == (11,)


def test_a_score_per_token():
    head, w = built(DiscriminatorHead)
    x = np.random.default_rng(1).normal(0, 1, [2, 3, 8]).astype("float32")
    y = np.maximum(x @ w["transform/kernel"] + w["transform/bias"], 0)
    y = (y @ w["score/kernel"] + w["score/bias"])[..., 0]
    np.testing.assert_allclose(head(x), y, atol=1e-5)

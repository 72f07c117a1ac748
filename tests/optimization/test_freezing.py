"""What is frozen stays, whenever it was frozen and by whom."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from massivetext_keras.training import adamw
from tests.training.tiny import TinyLM, batches

pytestmark = pytest.mark.usefixtures("without_xla")


@pytest.fixture
def lm() -> TinyLM:
    keras.utils.set_random_seed(0)
    model = TinyLM()
    model.compile(adamw(0.02))
    return model


def moved(model: TinyLM) -> set[str]:
    """The paths of what one batch changes."""
    before = {w.path: w.numpy() for w in model.weights}
    model.fit(batches(0, 1), verbose=0)
    return {
        w.path for w in model.weights if not np.array_equal(w.numpy(), before[w.path])
    }


def test_after_compile_and_after_fit(lm):
    everything = {w.path for w in lm.weights}
    tokens = set(lm.freeze("tokens"))
    assert moved(lm) == everything - tokens
    below = set(lm.freeze("block_0"))
    assert moved(lm) == everything - tokens - below
    assert set(lm.unfreeze("block_0")) == below
    assert moved(lm) == everything - tokens
    with pytest.raises(ValueError, match="'block_0' is in no frozen weight's path"):
        lm.unfreeze("block_0")
    assert set(lm.unfreeze()) == tokens
    with pytest.raises(ValueError, match="were frozen when the optimizer was made"):
        lm.fit(batches(0, 1), verbose=0)
    lm.compile(adamw(0.02))
    assert moved(lm) == everything


def test_the_switch_of_keras_on_a_model_or_a_layer(lm):
    everything = {w.path for w in lm.weights}
    assert moved(lm) == everything
    lm.backbone.stack.block_1.trainable = False
    above = {path for path in everything if "block_1" in path}
    assert moved(lm) == everything - above
    lm.unfreeze("block_1/feed_forward")
    assert moved(lm) == everything - {p for p in above if "feed_forward" not in p}
    lm.backbone.trainable = False
    with pytest.raises(ValueError, match="all weights are frozen.*see unfreeze"):
        lm.fit(batches(0, 1), verbose=0)
    lm.evaluate(batches(0, 1), verbose=0)
    lm.backbone.trainable = True
    assert moved(lm) == everything
    lm.freeze("tokens|block_0/attention")
    assert lm.backbone.trainable and lm.backbone.stack.block_0.trainable
    lm.backbone.stack.block_0.trainable = True
    tokens = {path for path in everything if "tokens" in path}
    assert moved(lm) == everything - tokens
    lm.backbone.trainable = True
    assert moved(lm) == everything

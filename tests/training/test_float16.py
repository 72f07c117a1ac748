"""Training in float16: the loss is scaled, and a step that overflows is skipped."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.training import Checkpoint, adamw
from tests.training.tiny import TinyLM, batches


@pytest.fixture(autouse=True)
def restored():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def built(policy: str = "mixed_float16") -> TinyLM:
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    model = TinyLM()
    model.compile(adamw(0.02, warmup_steps=2, clip_norm=0.5))
    return model


def fit(model: TinyLM, data: tf.data.Dataset, *callbacks) -> dict:
    """Trains on all batches; gives the logs of the epoch."""
    history = model.fit(data, callbacks=list(callbacks), verbose=0)
    return {name: values[-1] for name, values in history.history.items()}


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def same(variables, before: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, values(variables), before))


@pytest.mark.slow
def test_it_trains_as_float32_does():
    mixed, exact = built(), built("float32")
    first = batches(0, 1)
    assert fit(mixed, first) == pytest.approx(fit(exact, first), rel=0.01)
    few = batches(0, 4).repeat(5)
    before, after = ([fit(lm, few)["loss"] for lm in (mixed, exact)] for _ in range(2))
    assert after[0] < before[0] - 0.5
    assert after == pytest.approx([after[1]] * 2, rel=0.05)
    assert mixed.backbone({"token_ids": [[1]]}).dtype == "float16"


def test_a_step_that_overflows_is_skipped_and_halves_the_scale():
    model = built()
    fit(model, batches(0, 3))
    outer, inner = model.optimizer, model.optimizer.inner_optimizer
    assert float(outer.dynamic_scale.numpy()) == 2.0**15
    outer.dynamic_scale.assign(2.0**40)
    weights, state = values(model.backbone.weights), values(inner.variables)
    logs = fit(model, batches(3, 4))
    assert not np.isfinite(logs["gradient_norm"]) and np.isfinite(logs["loss"])
    assert float(outer.dynamic_scale.numpy()) == 2.0**39
    assert same(model.backbone.weights, weights) and same(inner.variables, state)
    outer.dynamic_scale.assign(2.0**10)
    assert np.isfinite(fit(model, batches(4, 6))["gradient_norm"])
    assert int(outer.iterations.numpy()) == 5
    assert not same(model.backbone.weights, weights)


def test_the_scale_outlives_fit_evaluate_and_a_checkpoint(tmp_path):
    model, callback = built(), Checkpoint(tmp_path)
    fit(model, batches(0, 1))
    model.optimizer.dynamic_scale.assign(2.0**9)
    model.evaluate(batches(0, 1), verbose=0)
    fit(model, batches(1, 2), callback)
    resumed = built()
    assert callback.restore(resumed) == callback.restore(resumed) == 2
    for lm in (model, resumed):
        assert float(lm.optimizer.dynamic_scale.numpy()) == 2.0**9
        fit(lm, batches(2, 4))
    assert same(resumed.optimizer.variables, values(model.optimizer.variables))
    assert same(resumed.backbone.weights, values(model.backbone.weights))

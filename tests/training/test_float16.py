"""Training in float16: the loss is scaled, and a step that overflows is skipped."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.training import Checkpoint, adamw
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batches


@pytest.fixture(autouse=True)
def restored():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def built(policy: str = "mixed_float16") -> TinyLM:
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    model = TinyLM(TINY.replace(num_layers=1))
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
    logs = fit(mixed, first)
    assert logs.pop("loss_scale") == 2.0**15
    assert logs == pytest.approx(fit(exact, first), rel=0.01)
    few = batches(0, 4).repeat(5)
    before, after = ([fit(lm, few)["loss"] for lm in (mixed, exact)] for _ in range(2))
    assert after[0] < before[0] - 0.5
    assert after == pytest.approx([after[1]] * 2, rel=0.05)
    assert mixed.backbone({"token_ids": [[1]]}).dtype == "float16"


def test_a_step_that_overflows_is_skipped_and_halves_the_scale():
    model = built()
    fit(model, batches(0, 3))
    optimizer = model.optimizer
    counters = {"iteration", "skipped", "skipped_in_row", "dynamic_scale"}
    moments = [v for v in optimizer.variables if v.name not in counters]
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**15
    optimizer.dynamic_scale.assign(2.0**40)
    weights, state = values(model.backbone.weights), values(moments)
    logs = fit(model, batches(3, 4))
    assert not np.isfinite(logs["gradient_norm"]) and np.isfinite(logs["loss"])
    assert logs["skipped_in_row"] == 1
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**39
    assert same(model.backbone.weights, weights)
    assert same(moments[:-1], state[:-1])
    assert (state[-1], moments[-1].numpy()) == (3, 0)  # good updates in a row
    optimizer.dynamic_scale.assign(2.0**10)
    logs = fit(model, batches(4, 6))
    assert np.isfinite(logs["gradient_norm"]) and logs["skipped_in_row"] == 0
    assert int(optimizer.iterations.numpy()) == 6
    assert int(optimizer.skipped.numpy()) == 1
    assert not same(model.backbone.weights, weights)


def test_the_scale_doubles_after_two_thousand_good_updates():
    model = built()
    fit(model, batches(0, 1))
    model.optimizer.good_updates.assign(1998)
    fit(model, batches(1, 2))
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**15
    fit(model, batches(2, 3))
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**16
    assert int(model.optimizer.good_updates.numpy()) == 0


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

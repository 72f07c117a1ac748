"""On one device a variable is updated by the XLA program of all that are like it."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.optimization import update
from massivetext_keras.training import make_optimizer

RULES = ("adamw", "adam", "sgd", "adafactor", "lion", "muon")
GRADIENTS = [np.array([[0.3, -0.4, 0.1], [0.1, 0.2, 2.0]]), np.array([1.2, -0.5])] * 2


def variables() -> list[keras.Variable]:
    """Two layers of a matrix and a vector each."""
    made = []
    for layer in ("block_0", "block_1"):
        with keras.name_scope(layer):
            matrix = [[1.0, -2.0, 0.1], [0.5, 3.0, -1.0]]
            made.append(keras.Variable(matrix, name="kernel"))
            made.append(keras.Variable([0.5, 1.0], name="bias"))
    return made


def optimizer(rule: str, beta_1: float = 0.9) -> keras.Optimizer:
    rates = {"bias": 0.5, "block_1": 0.25}
    return make_optimizer(
        rule, 0.1, 2, 10, clip_norm=0.7, ema=0.75, rates=rates, beta_1=beta_1
    )


def updated(optimizer, count: int = 3) -> list[np.ndarray]:
    """All weights and all state after updates, the second of which is not finite."""
    weights = variables()
    optimizer.build(weights)
    for i in range(count):
        gradients = [tf.constant(x * (i + 1), "float32") for x in GRADIENTS]
        optimizer.update(gradients, weights, loss=np.nan if i == 1 else 1.0)
    return [x.numpy() for x in (*weights, *optimizer.variables)]


@pytest.mark.parametrize("rule", RULES)
def test_the_programs_do_what_the_rule_does(rule):
    separate = optimizer(rule)
    whole = type("Other", (type(separate),), {}).from_config(separate.get_config())
    assert separate.separate and not whole.separate
    for got, wanted in zip(updated(separate), updated(whole), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-7)


def test_what_is_alike_shares_a_program():
    updated(optimizer("adamw", beta_1=0.71))
    before = dict(update._programs)
    updated(optimizer("adamw", beta_1=0.71))
    assert update._programs == before
    updated(optimizer("adamw", beta_1=0.72))
    assert len(update._programs) == len(before) + 2  # of matrices, and of vectors


def test_programs_keep_no_model():
    one = optimizer("adamw", beta_1=0.73)
    updated(one)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert not any(program.captured_inputs for program in update._programs.values())


def test_a_rule_that_is_not_known_is_one_program_of_all():
    seen = update.with_update(keras.optimizers.Nadam(0.1))
    assert not seen.separate
    assert update.with_update(keras.optimizers.AdamW(0.1)).separate

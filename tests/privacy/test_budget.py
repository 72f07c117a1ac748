"""Training says its epsilon and ends within a budget; batches are random."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from massivetext_keras.privacy import (
    DPSGD,
    PrivacyBudget,
    epsilon,
    poisson_batches,
    updates_within,
)
from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import encoder_task

EXAMPLES = [("the cat sat " * (1 + i % 3), "ab"[i % 2]) for i in range(40)]
PRIVATE = DPSGD(1.0, 1.5, sampling="poisson", expected_rows=8)


@pytest.fixture(scope="module")
def task() -> TextClassifier:
    return encoder_task(TextClassifier, labels=["a", "b"])


def test_every_row_is_in_a_batch_with_the_same_probability(task):
    batches = poisson_batches(task, EXAMPLES, batch_size=8, seed=1)
    assert len(batches) == 5
    sizes, short = [], 0
    for features, labels, *_ in batches.endless().take(300):
        sizes.append(len(labels))
        assert features["token_ids"].shape[0] == len(labels)
        short += int((features["padding_mask"].numpy().sum(1) == 5).sum())
    # Binomial: mean 8, variance 40 * 0.2 * 0.8 = 6.4
    assert np.mean(sizes) == pytest.approx(8.0, abs=4 * np.sqrt(6.4 / 300))
    assert np.var(sizes) == pytest.approx(6.4, rel=0.35)
    assert short / sum(sizes) == pytest.approx(14 / 40, abs=0.05)


def test_a_batch_is_a_function_of_its_number(task):
    def some(**how):
        batches = poisson_batches(task, EXAMPLES, 8, **how).endless().take(3)
        return [features["token_ids"].numpy() for features, *_ in batches]

    first, again, later = some(seed=2), some(seed=2), some(seed=2, start=1)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(first[1:], later[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({x.tobytes() for x in [*first, *some(seed=3)]}) == 6
    with pytest.raises(ValueError, match="cannot have 41 of 40 rows"):
        poisson_batches(task, EXAMPLES, 41)


def test_training_stops_before_the_budget_is_exceeded(task):
    most = epsilon(PRIVATE, 40, 8, 3) + 0.01
    assert updates_within(most, PRIVATE, 40, 8) == 3
    task.compile("sgd", privacy=PRIVATE)
    budget = PrivacyBudget(rows=40, batch_size=8, most=most)
    batches = poisson_batches(task, EXAMPLES, 8)
    history = task.fit(batches, epochs=9, callbacks=[budget], verbose=0).history
    assert int(task.optimizer.iterations) == 3
    assert history["epsilon"] == [pytest.approx(most - 0.01)]


def test_of_several_updates_at_once_none_exceeds_it(task):
    most = epsilon(PRIVATE, 40, 8, 5) + 0.001
    task.compile("sgd", privacy=PRIVATE, steps_per_execution=3)
    budget = PrivacyBudget(rows=40, batch_size=8, most=most)
    batches = poisson_batches(task, EXAMPLES, 8)
    how = {"epochs": 3, "steps_per_epoch": 6, "verbose": 0, "callbacks": [budget]}
    task.fit(batches, **how)
    assert int(task.optimizer.iterations) == 3
    with pytest.raises(ValueError, match="3 updates were made, and more would exceed"):
        task.fit(batches, **how)


def test_in_epochs_it_is_that_of_whole_passes(task):
    private, told = DPSGD(noise_multiplier=2.0), []
    task.compile("sgd", privacy=private)
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: told.append(logs["epsilon"])
    )
    examples = task.examples_of(EXAMPLES[:16])
    batches = task.example_batches(examples, 8).training()
    budget = PrivacyBudget(rows=16, batch_size=8)
    task.fit(batches, epochs=2, callbacks=[budget, tell], verbose=0)
    passes = [epsilon(private, 16, 8, 2), epsilon(private, 16, 8, 4)]
    assert told == [passes[0], passes[0], passes[1], passes[1]] and passes[0] > 0


def test_what_is_refused(task):
    task.compile("sgd")
    batches = poisson_batches(task, EXAMPLES, 8)
    with pytest.raises(ValueError, match="compile the task with privacy"):
        task.fit(batches, callbacks=[PrivacyBudget(40, 8)], verbose=0)
    task.compile("sgd", privacy=PRIVATE)
    with pytest.raises(ValueError, match="the first update would exceed it"):
        task.fit(batches, callbacks=[PrivacyBudget(40, 8, most=1e-3)], verbose=0)

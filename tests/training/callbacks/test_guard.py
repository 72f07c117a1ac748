"""Batches that are not finite: named, and left behind when they are many."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.training import Checkpoint, Guard
from tests.training.callbacks.test_checkpoint import assert_equal, built, names, train
from tests.training.tiny import batches

pytestmark = pytest.mark.usefixtures("without_xla")


class Run:
    """Calls what `fit` calls; a good batch adds one to a weight, a bad one nothing."""

    def __init__(self, folder, **options):
        self.model = built()
        self.model.optimizer.build(self.model.trainable_variables)
        self.checkpoint = Checkpoint(folder, every=2)
        self.guard = Guard(self.checkpoint, **options)
        self.in_row = self.batch = 0
        for callback in (self.checkpoint, self.guard):
            callback.set_model(self.model)
            callback.on_train_begin()
            callback.on_epoch_begin(0)

    @property
    def step(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    @property
    def weight(self) -> float:
        """What was added to the weight, and to a moment beside it."""
        weight, moment = (
            float(v.numpy().ravel()[0]) for v in (self._weight, self._moment)
        )
        assert weight - self.first == pytest.approx(moment, abs=1e-4)
        return moment

    def take(self, *batches: bool) -> None:
        if not self.batch:
            self._weight = self.model.trainable_variables[0]
            self._moment = self.model.optimizer.variables[-1]
            self.first = float(self._weight.numpy().ravel()[0])
            self._moment.assign(np.zeros(self._moment.shape))
        for good in batches:
            self.model.optimizer.iterations.assign_add(1)
            if good:
                self._weight.assign(self._weight + 1.0)
                self._moment.assign(self._moment + 1.0)
            self.in_row = 0 if good else self.in_row + 1
            for callback in (self.checkpoint, self.guard):
                logs = {"skipped_in_row": float(self.in_row)}
                callback.on_train_batch_end(self.batch, logs)
            self.batch += 1


GOOD, BAD = True, False


def test_a_skipped_batch_is_named_with_its_examples(tmp_path, caplog):
    run = Run(tmp_path, describe=lambda k: f"documents {10 * k} and {10 * k + 1}")
    run.take(GOOD, BAD, BAD, GOOD)
    assert [record.getMessage() for record in caplog.records] == [
        "batch 1 is skipped, it is not finite: documents 10 and 11",
        "batch 2 is skipped, it is not finite: documents 20 and 21",
    ]


def test_many_in_a_row_go_back_and_on_with_the_batch_after_them(tmp_path, caplog):
    run = Run(tmp_path, patience=3)
    run.take(GOOD, GOOD, GOOD, BAD, BAD)
    assert (run.step, run.weight) == (5, 3.0)
    run.take(BAD)
    # The weights of step 2, the count of batches of step 6.
    assert (run.step, run.weight) == (6, 2.0)
    text = "3 batches in a row were not finite: back to the weights of step 2, on with "
    assert caplog.messages[-1] == text + "batch 6"
    run.in_row = 0
    run.take(GOOD, GOOD)
    run.checkpoint.wait()
    assert (run.step, run.weight) == (8, 4.0)
    assert names(tmp_path) == ["step_00000002", "step_00000008"]


def test_nothing_is_saved_between_bad_batches(tmp_path):
    run = Run(tmp_path, patience=9)
    run.take(GOOD, GOOD, *[BAD] * 6)
    run.checkpoint.wait()
    assert names(tmp_path) == ["step_00000002"]
    # What is saved all the same, because the run ends, is none to go back to.
    run.checkpoint.finish()
    assert names(tmp_path) == ["step_00000002", "step_00000008"]
    assert run.checkpoint.go_back(run.model) == 2
    again = built(seed=5)
    assert Checkpoint(tmp_path).restore(again) == 8


def test_going_back_again_and_again_ends(tmp_path):
    run = Run(tmp_path, patience=2, returns=2)
    run.take(GOOD, GOOD)
    for _ in range(2):
        run.in_row = 0
        run.take(BAD, BAD)
    run.in_row = 0
    with pytest.raises(RuntimeError) as error:
        run.take(BAD, BAD)
    message = str(error.value)
    assert "2 batches in a row were not finite, 2 times from step 2 on" in message
    assert "optimizer.learning_rate" in message and "\n" not in message


def test_with_nothing_to_go_back_to_it_ends(tmp_path):
    run = Run(tmp_path, patience=2)
    with pytest.raises(
        RuntimeError, match="^2 batches in a row were not finite: start"
    ):
        run.take(GOOD, BAD, BAD)


@pytest.mark.slow
def test_fit_goes_back_and_on(tmp_path):
    def damaged(features, labels, weights):
        return features, labels, weights * float("nan")

    data = batches(0, 4)
    data = data.concatenate(batches(4, 7).map(damaged)).concatenate(batches(7, 10))
    model, checkpoint = built(), Checkpoint(tmp_path, every=3)
    guard = Guard(checkpoint, patience=3)
    model.fit(data, callbacks=[checkpoint, guard], verbose=0)
    # The fourth batch is forgotten with the bad ones.
    expected = train(built(), 0, 3)
    expected.optimizer.iterations.assign(7)
    assert_equal(train(expected, 7, 10), model)


def test_counts_are_positive(tmp_path):
    with pytest.raises(ValueError, match="patience=0"):
        Guard(Checkpoint(tmp_path), patience=0)

"""Training ends by the clock, and so does its learning rate."""

from __future__ import annotations

import keras
import pytest

from massivetext_keras.optimization.optimizers import make_optimizer
from massivetext_keras.training import Checkpoint, TimeLimit
from massivetext_keras.training.callbacks.time_limit import elapsed
from tests.tasks.tiny import TINY
from tests.training.tiny import Clock, TinyLM, batches

pytestmark = pytest.mark.usefixtures("without_xla")


class Rates(keras.callbacks.Callback):
    """The learning rate that follows every update."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(round(float(self.model.optimizer.learning_rate), 3))


def built() -> TinyLM:
    keras.utils.set_random_seed(0)
    model = TinyLM(TINY.replace(num_layers=1))
    model.compile(
        make_optimizer(
            learning_rate=1.0, minutes=0.2, schedule="linear", final_fraction=0.0
        )
    )
    return model


def limited(clock: Clock, minutes: float = 0.2) -> TimeLimit:
    return TimeLimit(minutes, now=lambda: clock.now)


@pytest.fixture(scope="module")
def model() -> TinyLM:
    return built()


def test_the_rate_is_at_its_end_when_the_time_is(model):
    clock, rates = Clock(), Rates()
    limit = limited(clock)
    model.fit(batches(0, 20), callbacks=[clock, limit, rates], verbose=0)
    # Twelve seconds of two a batch, from the first update on, whose time is not counted
    assert int(model.optimizer.iterations.numpy()) == 7
    assert elapsed(model.optimizer) == 12_000
    assert rates.seen == [1.0, 0.833, 0.667, 0.5, 0.333, 0.167, 0.0]
    assert limit.seconds_left == 0.0


def test_an_evaluation_takes_its_part_of_the_time(model):
    model.optimizer.elapsed.assign(0)
    clock = Clock()
    model.fit(
        batches(0, 20),
        epochs=9,
        steps_per_epoch=2,
        validation_data=batches(0, 1),
        callbacks=[clock, limited(clock, minutes=3)],
        verbose=0,
    )
    # 2 s until the second update; 102, 2, 102: the fifth passes three minutes.
    assert elapsed(model.optimizer) == 208_000


def test_a_run_that_goes_on_has_the_minutes_that_were_left(model, tmp_path):
    model.optimizer.elapsed.assign(0)
    model.optimizer.iterations.assign(0)
    clock = Clock()
    model.fit(
        batches(0, 4),
        callbacks=[clock, limited(clock), Checkpoint(tmp_path)],
        verbose=0,
    )
    assert elapsed(model.optimizer) == 6_000
    model.optimizer.elapsed.assign(0)
    assert Checkpoint(tmp_path).restore(model) == 4
    clock, rates = Clock(), Rates()
    model.fit(batches(4, 20), callbacks=[clock, limited(clock), rates], verbose=0)
    # Another process compiles anew, in its first update.
    assert rates.seen == [0.5, 0.333, 0.167, 0.0]


def test_another_optimizer_ends_by_the_clock_too():
    model, clock = TinyLM(TINY.replace(num_layers=1)), Clock()
    model.compile("sgd")
    limit = limited(clock, minutes=0.1)
    model.fit(batches(0, 2), callbacks=[clock, limit], verbose=0)
    assert limit.seconds_left == 4.0
    model.fit(batches(0, 20), callbacks=[clock, limit], verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 4
    assert elapsed(model.optimizer) == 0
    with pytest.raises(ValueError, match="minutes=0 must be positive"):
        TimeLimit(0)

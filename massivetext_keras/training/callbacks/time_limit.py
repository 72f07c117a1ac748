"""Training that ends by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras

from massivetext_keras.distribution.workers import devices_of, mean_over_workers
from massivetext_keras.training.callbacks.step import StepCallback


class TimeLimit(StepCallback):
    """Ends training after so many minutes, however many updates these are.

    The minutes begin when the first update is made, whose time is that of compiling;
    evaluations, samples and checkpoints between updates are part of them, what comes
    after the last update is not. With `make_optimizer(minutes=…)` the learning rate is
    at its end then: the time so far is a variable of the optimizer, so that a run that
    goes on from a checkpoint has the minutes that were left. Batches, dropout and the
    rate's dependence on the time stay the same; how many updates fit into a minute does
    not, and so no two runs by the clock are equal bit for bit. Of several workers the
    mean of their clocks counts.

    It comes before other callbacks that save or evaluate.

    Args:
        minutes: of training.
        now: seconds, of any beginning.

    Raises:
        ValueError: the minutes are not positive.

    >>> TimeLimit(minutes=5).seconds_left
    300.0
    """

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic):
        super().__init__()
        if minutes <= 0:
            raise ValueError(f"minutes={minutes} must be positive")
        self.seconds = 60.0 * minutes
        self.now = now
        self._spent = 0.0  # seconds
        self._since: float | None = None  # when these were counted
        self._compiled = False

    @property
    def seconds_left(self) -> float:
        """Of training, when the last update ended."""
        return max(0.0, self.seconds - self._spent)

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        if _clock_of(self.model.optimizer) is not None:
            self._spent = elapsed(self.model.optimizer) / 1000
        self._since = self.now() if self._compiled else None

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        now, devices = self.now(), devices_of(self.model)
        clock = _clock_of(self.model.optimizer)
        if self._since is not None:
            self._spent += now - self._since
        self._since, self._compiled = now, True
        spent = round(mean_over_workers(devices, 1000 * self._spent))
        if clock is not None:
            clock.assign(spent)
        if spent >= round(1000 * self.seconds):
            self.model.stop_training = True


def elapsed(optimizer: keras.Optimizer) -> int:
    """Milliseconds of training so far, of an optimizer that goes by the clock; else 0.

    >>> elapsed(keras.optimizers.SGD())
    0
    """
    clock = _clock_of(optimizer)
    return 0 if clock is None else int(clock.numpy())


def _clock_of(optimizer: keras.Optimizer) -> keras.Variable | None:
    """Where an optimizer keeps the time, if its schedule is one of time."""
    return getattr(optimizer, "elapsed", None)

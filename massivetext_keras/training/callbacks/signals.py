"""A run that is told to stop saves first."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

import keras

from massivetext_keras.distribution.workers import (
    LOST,
    Place,
    devices_of,
    sum_over_workers,
)
from massivetext_keras.training.callbacks.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopOnSignal(keras.callbacks.Callback):
    """Saves at the end of the step in which SIGTERM or SIGINT comes, then exits.

    The exit code is what a shell calls the signal: 143 after SIGTERM, 130 after SIGINT
    (control-C). A second one of the same kind does what it did before. Of several
    workers one is enough to be told: all stop after the same step, on which they agree
    by adding up, after every step, who was told. It is the last of the callbacks, and
    what `fit` is called in:

    >>> checkpoint = Checkpoint("runs/1")
    >>> with StopOnSignal(checkpoint) as stop:
    ...     callbacks = [checkpoint, stop]  # for fit

    Args:
        checkpoint: what saves.
        agree: adds up a number of every worker.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        agree: Callable[[Place, int], int] = sum_over_workers,
    ):
        super().__init__()
        self.checkpoint, self.agree = checkpoint, agree
        self._told: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        else:  # Python hands signals to the main thread alone
            logger.warning("not in the main thread: SIGTERM will not save first")
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        self.checkpoint.wait()

    def on_train_batch_end(self, batch, logs=None):
        self._stop_if_told()

    def on_test_batch_end(self, batch, logs=None):
        # What is evaluated may be averages, until it ends.
        if not getattr(self.model.optimizer, "use_ema", False):
            self._stop_if_told()

    def on_test_end(self, logs=None):
        self._stop_if_told()

    def _note(self, number, frame):
        self._told = number
        signal.signal(number, self._before[number])
        name = signal.Signals(number).name
        logger.warning("%s: saving after this step; a second one stops at once", name)

    def _stop_if_told(self) -> None:
        devices = devices_of(self.model)
        if not self.agree(devices, int(self._told is not None)):
            return
        self.checkpoint.finish()
        self._wait_for_all(devices)
        logger.warning(
            "stopped after step %d; the same command goes on", self.checkpoint.step
        )
        raise SystemExit(128 + (self._told or signal.SIGTERM))

    def _wait_for_all(self, devices: Place) -> None:
        """Nobody leaves before the chief has saved; then a worker may be gone."""
        try:
            self.agree(devices, 0)
        except LOST:
            if not self.checkpoint.is_on_disk():
                raise
            step = self.checkpoint.step
            logger.warning("another worker left first; step %d is saved", step)

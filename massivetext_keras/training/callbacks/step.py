"""Callbacks that count and time updates; `TensorBoard` and others build on them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.distribution.workers import devices_of, is_chief

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def recording(what: str) -> Iterator[None]:
    """Makes it a warning that something cannot be recorded, as on a full disk.

    >>> with recording("the loss"):
    ...     raise OSError("no space")
    """
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = str(error).strip().splitlines()[0]
        logger.warning("%s is not recorded, the run goes on: %s", what, reason)


class StepCallback(keras.callbacks.Callback):
    """Knows the number of updates without asking the device for it at every one.

    Attributes:
        step: updates of the weights so far, those before `fit` included.
    """

    step = 0
    _previous = 0
    _batch = -1

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one, of several workers, that keeps records."""
        return is_chief(devices_of(self.model))

    @property
    def reads_weights(self) -> bool:
        """Whether this process takes part where weights are read for records: on a mesh
        of several workers each has parts of them."""
        return self.is_chief or getattr(self.model, "mesh", None) is not None

    def read_step(self) -> int:
        """Sets `step` to the optimizer's own count, and gives it."""
        self.step = int(self.model.optimizer.iterations.numpy())
        return self.step

    def on_train_begin(self, logs=None):
        self.read_step()

    def on_epoch_begin(self, epoch, logs=None):
        self._batch = -1

    def on_train_batch_end(self, batch, logs=None):
        self._previous, self.step = self.step, self.step + batch - self._batch
        self._batch = batch

    def is_due(self, every: int) -> bool:
        """Whether the last batches passed a multiple of `every` updates; 0: never."""
        return every > 0 and self.step // every > self._previous // every


class Clock(keras.callbacks.Callback):
    """Times the updates of a `fit`.

    Args:
        now: seconds, of any beginning.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter):
        super().__init__()
        self.now = now

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(self.now())

    @property
    def seconds_per_step(self) -> float:
        """Of the median update; the first, which holds the compilation, is no part."""
        return float(np.median(np.diff(self.times)))

"""Numbers that are read off a model while it trains."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf


class Gains(NamedTuple):
    """What happened between two readings.

    Attributes:
        sums: tracker's name -> its [total, count].
        seconds: of training, what was left out not among them.
        waited: seconds of these in which there was no batch (None: not measured).
    """

    sums: dict[str, np.ndarray]
    seconds: float
    waited: float | None

    def means(self) -> dict[str, float]:
        """Name -> total / count, of those trackers that counted something."""
        return {
            name: float(total / count)
            for name, (total, count) in self.sums.items()
            if count
        }

    @property
    def tokens(self) -> int:
        """Real tokens, or those with a loss where padding is not counted."""
        padding, positions = self.sums.get("padding_share", (0, 0))
        return round(positions - padding) or round(self.sums.get("loss", (0, 0))[1])


class Meter:
    """What a model's trackers gained in training, and in what time.

    Args:
        model: its `metrics` are means of what was seen since their reset; it may have a
            `padding_tracker` and a variable `data_wait`, seconds, beside them.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.gained: dict[str, Any] = {}
        self.seconds = 0.0
        self.resume(reset=True)

    def gains(self) -> Gains:
        """What was collected since `take` was called."""
        sums = dict(self.gained)
        waited = sums.pop("data_wait", None)
        return Gains(sums, self.seconds, None if waited is None else float(waited[0]))

    def take(self) -> Gains:
        """`gains`, from which it begins anew."""
        taken = self.gains()
        self.gained, self.seconds = {}, 0.0
        return taken

    def collect(self) -> None:
        """Adds what was gained since the last `collect` or `resume`."""
        before, since = self.base, self.since
        self.resume()
        for name, now in self.base.items():
            gain = now - before.get(name, 0.0)
            self.gained[name] = self.gained.get(name, 0.0) + gain
        self.seconds += self.since - since

    def resume(self, reset: bool = False) -> None:
        """Leaves out what happened before now; `reset`: the trackers are at zero."""
        wait = getattr(self.model, "data_wait", None)
        self.base = {} if reset else self._read()
        if wait is not None:  # which nothing resets
            self.base["data_wait"] = np.array([float(wait.numpy()), 0.0])
        self.since = time.perf_counter()

    def _read(self) -> dict[str, np.ndarray]:
        """Totals and counts of the trackers, summed over replicas, float64 [2]."""
        trackers = [*self.model.metrics, getattr(self.model, "padding_tracker", None)]
        return {
            tracker.name: np.array(
                [float(tracker.total.numpy()), float(tracker.count.numpy())]
            )
            for tracker in trackers
            if hasattr(tracker, "total")
        }


def memory() -> dict[str, float]:
    """GiB that this process holds: `now` (Linux), `peak`, and `gpu_peak` of all GPUs.

    >>> memory()["peak"] > 0
    True
    """
    unit = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`, in bytes
    held = {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    pages = Path("/proc/self/statm")
    if pages.exists():
        held["now"] = int(pages.read_text().split()[1]) * resource.getpagesize()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if gpus:
        info = tf.config.experimental.get_memory_info
        held["gpu_peak"] = sum(info(name)["peak"] for name in gpus)
    return {name: size / 2**30 for name, size in held.items()}

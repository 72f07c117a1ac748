"""Numbers that are read off a model while it trains."""

from __future__ import annotations

import functools
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

# Of a larger weight every n-th number is compared before and after an update.
_MOST_COMPARED = 1 << 16


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
        self.gained, self.seconds = {}, 0.0
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


class WeightProbe:
    """The norm of a model's trained weights, and how far an update moves them.

    The norm is exact. The movement is that of at most 65,536 numbers of every weight,
    evenly chosen, so that they can be kept during a step.
    """

    def __init__(self, model: keras.Model):
        self.variables = [v.value for v in model.trainable_variables]
        self.strides = [
            max(1, v.shape.num_elements() // _MOST_COMPARED) for v in self.variables
        ]
        # Odd, so as not to meet the same columns of a matrix again and again.
        self.strides = [n if n == 1 else n | 1 for n in self.strides]
        plain = functools.partial(tf.function, autograph=False)
        self.norm = plain(lambda: tf.linalg.global_norm(self.variables))
        self._some = plain(self._chosen)
        self._moved = plain(self._movement)
        self._before = None

    def note(self) -> None:
        """Remembers the weights as they are before an update."""
        self._before = self._some()

    def ratio(self) -> float | None:
        """|change| / |weights| since `note`; None if it was not called."""
        if self._before is None:
            return None
        ratio = float(self._moved(self._before))
        self._before = None
        return ratio

    def _chosen(self) -> list[tf.Tensor]:
        return [
            tf.reshape(v, [-1])[::stride]
            for v, stride in zip(self.variables, self.strides, strict=True)
        ]

    def _movement(self, before: list[tf.Tensor]) -> tf.Tensor:
        squares = [
            stride * tf.stack([tf.reduce_sum((a - b) ** 2), tf.reduce_sum(b**2)])
            for a, b, stride in zip(self._chosen(), before, self.strides, strict=True)
        ]
        change, size = tf.unstack(tf.sqrt(tf.add_n(squares)))
        return tf.math.divide_no_nan(change, size)


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

"""The workers of a job, and what they tell one another between steps."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Protocol, TypeAlias

import keras
import tensorflow as tf

# What a collective raises where a worker cannot be reached any more.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def workers_of_job() -> tuple[list[str], int]:
    """Addresses of the workers in TF_CONFIG, the chief first, and which is this one.

    Raises:
        ValueError: there is no TF_CONFIG, or it is of another form.
    """
    text = os.environ.get("TF_CONFIG")
    example = (
        '{"cluster": {"worker": ["host:port", …]}, "task": {"type": …, "index": …}}'
    )
    if not text:
        raise ValueError(f"a job of several workers needs TF_CONFIG={example}")
    try:
        values = json.loads(text)
        cluster, task = values["cluster"], values["task"]
        own = cluster[task["type"]][task["index"]]
        workers = [*cluster.get("chief", []), *cluster["worker"]]
        return workers, workers.index(own)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"TF_CONFIG is not of the form {example} ({problem}): {text!r}"
        ) from None


def is_one_of_several() -> bool:
    """Whether TF_CONFIG names more workers than this one.

    Raises:
        ValueError: it is of another form.
    """
    return bool(os.environ.get("TF_CONFIG")) and len(workers_of_job()[0]) > 1


class Devices(Protocol):
    """What `devices_of` gives of a model that is on a mesh."""

    workers: int
    worker: int

    def sum_over_workers(self, value: float) -> float: ...


Place: TypeAlias = tf.distribute.Strategy | Devices


def devices_of(model: keras.Model) -> Place:
    """The mesh or the strategy that a model is trained on.

    >>> has_workers(devices_of(keras.Sequential([])))
    False
    """
    return getattr(model, "mesh", None) or model.distribute_strategy


def has_workers(devices: Place) -> bool:
    """Whether a strategy or a mesh is one of several workers.

    >>> has_workers(tf.distribute.get_strategy())
    False
    """
    if isinstance(devices, tf.distribute.Strategy):
        return devices.extended._in_multi_worker_mode()
    return devices.workers > 1


def is_chief(devices: Place) -> bool:
    """Whether this process is the one, of several workers, that keeps records.

    >>> is_chief(tf.distribute.get_strategy())
    True
    """
    if isinstance(devices, tf.distribute.Strategy):
        return devices.extended.should_checkpoint
    return devices.worker == 0


def share_of(devices: Place) -> tuple[int, int]:
    """Which of how many shares of a model's state this process has: on a mesh each
    worker has one, elsewhere all have all of it.

    >>> share_of(tf.distribute.get_strategy())
    (0, 1)
    """
    if isinstance(devices, tf.distribute.Strategy):
        return 0, 1
    return devices.worker, devices.workers


def sum_over_workers(devices: Place, value: int) -> int:
    """The sum of an integer that each worker has; all have to call this. Workers with
    several replicas of a strategy count as often.

    >>> sum_over_workers(tf.distribute.get_strategy(), 3)
    3
    """
    if not has_workers(devices):
        return value
    if isinstance(devices, tf.distribute.Strategy):
        return int(_sum(devices, tf.constant(value, tf.int64)))
    return int(devices.sum_over_workers(value))


def mean_over_workers(devices: Place, value: float) -> float:
    """The same number on all workers, of one that each has; all have to call this.

    >>> mean_over_workers(tf.distribute.get_strategy(), 0.25)
    0.25
    """
    if not has_workers(devices):
        return value
    return sum_over_workers(devices, round(value)) / _addends(devices)


def check_same_step(devices: Place, step: int) -> None:
    """Checks that all workers go on with the same checkpoint.

    Raises:
        ValueError: they found different ones, or some found none.
    """
    if not has_workers(devices):
        return
    total, count = sum_over_workers(devices, step), _addends(devices)
    if total != step * count:
        raise ValueError(
            f"this worker found the checkpoint of step {step}, the mean over all is "
            f"{total / count:g}: the run's folder has to be one that all workers see"
        )


def _addends(devices: Place) -> int:
    """Of `sum_over_workers`."""
    if isinstance(devices, tf.distribute.Strategy):
        return devices.num_replicas_in_sync
    return devices.workers


def leave_together(devices: Place) -> None:
    """At the end of a run: workers wait for the chief, which may still need them; it
    does not mind whoever has left.

    Raises:
        What a collective raises: the chief is gone, and this is another worker.
    """
    try:
        sum_over_workers(devices, 0)
    except LOST:
        if not is_chief(devices):
            raise


@contextlib.contextmanager
def losing_no_worker(are_several: bool) -> Iterator[None]:
    """Says in one line that a worker is gone where TensorFlow gives a page.

    Args:
        are_several: whether there are others.

    TensorFlow notices it by a broken connection or a missing heartbeat, 0.5 to 18 s
    after it died where that was measured.

    Raises:
        RuntimeError: a worker cannot be reached any more.
    """
    try:
        yield
    except LOST as error:
        if not are_several:
            raise
        raise RuntimeError(
            "a worker ended or cannot be reached, so this one ends too; start all of "
            "them again with the same commands to go on from the newest checkpoint"
        ) from error


@tf.function
def _sum(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    def add(value):
        context = tf.distribute.get_replica_context()
        placed = tf.identity(value)  # on this replica's device
        return context.all_reduce(tf.distribute.ReduceOp.SUM, placed)

    summed = strategy.run(add, args=(value,))
    return strategy.experimental_local_results(summed)[0]

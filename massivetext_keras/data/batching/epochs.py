"""Training batches in epochs: each pass another order, batch k a function of k."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_LAST = np.iinfo(np.int64).max


class TrainingBatches(tf.data.Dataset):
    """Batches of training, each a function of its number alone.

    As a dataset of Keras it is one epoch: `len` says how many batches that is, and each
    time it is iterated, by `fit` of any model, in a loop, or after `repeat`, it goes on
    with the next epoch, in another order. A task's `fit` goes on with the batch after
    the last one it learnt, whether an epoch is one pass (`steps_per_epoch=None`) or
    any other number of steps.

    Args:
        batch: number of a batch, int64 scalar, to what the batch is.
        per_epoch: batches in which every example is seen.
        start: number of the first batch.
        endless: iterate over all batches from the start on, without an end.
        counter: holds the number of the next batch, instead of `start`.

    Raises:
        ValueError: the start is negative.

    >>> batches = TrainingBatches(lambda k: 10 * k, per_epoch=3)
    >>> len(batches), [[int(x) for x in batches] for _ in range(2)]
    (3, [[0, 10, 20], [30, 40, 50]])
    >>> [int(x) for x in batches.endless().take(4)]
    [60, 70, 80, 90]
    """

    def __init__(
        self,
        batch: Callable[[tf.Tensor], tuple],
        per_epoch: int,
        start: int = 0,
        endless: bool = False,
        counter: tf.lookup.experimental.MutableHashTable | None = None,
    ):
        if start < 0:
            raise ValueError(f"start must not be negative, got {start}")
        self.batch, self.per_epoch = _traced_once(batch), int(per_epoch)
        self._next: Any = counter
        if counter is None:
            # Not a variable: those of a strategy are made for each replica.
            self._next = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)
            self.next_batch = start
        self._batches = self.endless() if endless else self._epochs()
        super().__init__(self._batches._variant_tensor)

    def __len__(self) -> int:
        return self.per_epoch

    @property
    def next_batch(self) -> int:
        """Number of the batch that training goes on with."""
        return int(self._next.lookup(np.int64(0)))

    @next_batch.setter
    def next_batch(self, number: int) -> None:
        self._next.insert(np.int64(0), tf.constant(number, tf.int64))

    def endless(self) -> tf.data.Dataset:
        """All batches from the one that is the next when they are iterated."""
        return self._iterated(lambda first: _LAST, tf.data.INFINITE_CARDINALITY)

    def changed(self, function: Callable[..., tuple]) -> TrainingBatches:
        """Batches that a function makes of these; both go on with the same number."""

        def batch(k):
            return function(*self.batch(k))

        return TrainingBatches(batch, self.per_epoch, counter=self._next)

    def epochs(self) -> TrainingBatches:
        """The same batches from the next one on, an epoch at each iteration."""
        return TrainingBatches(self.batch, self.per_epoch, self.next_batch)

    def _epochs(self) -> tf.data.Dataset:
        def end(first: tf.Tensor) -> tf.Tensor:
            self._next.insert(np.int64(0), first + self.per_epoch)
            return first + self.per_epoch

        return self._iterated(end, self.per_epoch)

    def _iterated(
        self, end: Callable[[tf.Tensor], int | tf.Tensor], count: int
    ) -> tf.data.Dataset:
        """As many batches as are counted, from the one that is the next when they are
        iterated to the one before an end."""

        def batches(_):
            first = self._next.lookup(np.int64(0))
            return mapped(tf.data.Dataset.range(first, end(first)), self.batch)

        started = tf.autograph.experimental.do_not_convert(batches)
        found = tf.data.Dataset.range(1).flat_map(started).prefetch(2)
        return found.apply(tf.data.experimental.assert_cardinality(count))

    @property
    def element_spec(self):
        return self._batches.element_spec

    def _inputs(self):
        return [self._batches]


def mapped(dataset: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    """A dataset's elements through a function of tensors, one after another.

    The function's Python is run as it stands: TensorFlow does not rewrite an `if` or
    `for` over tensors, which takes it as long as the rest of making the graph.

    >>> [int(x) for x in mapped(tf.data.Dataset.range(3), lambda x: 2 * x)]
    [0, 2, 4]
    """
    plain = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(plain, num_parallel_calls=1)


def _traced_once(batch: Callable[[tf.Tensor], tuple]) -> Callable:
    """The function as a graph that every pass shares, endless or in epochs."""
    if hasattr(batch, "get_concrete_function"):
        return batch
    number = tf.TensorSpec([], tf.int64)
    return tf.function(batch, input_signature=[number], autograph=False)

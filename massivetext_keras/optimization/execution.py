"""Steps as graphs that `fit` runs, on any devices."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import keras
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.waiting import timed_next

_ITERATORS = (tf.data.Iterator, tf.distribute.DistributedIterator)


def graph_of_steps(model: keras.Model, step: Callable) -> Callable:
    """The graph of `steps_per_execution` calls of `step` on an iterator's batches.

    Unlike Keras's it runs several steps under a strategy too, logs the metrics over
    all replicas, and compiles under a strategy what is one replica's own.
    """
    strategy, count = model.distribute_strategy, model.steps_per_execution
    compiled = model.jit_compile and not model.has_strategy

    def once(data):
        logs = strategy.run(step, args=(data,))
        first = {k: strategy.experimental_local_results(v)[0] for k, v in logs.items()}
        return first | model.get_metrics_result()

    if not model.run_eagerly:
        once = tf.function(
            once, reduce_retracing=True, jit_compile=compiled, autograph=False
        )

    waited = model.data_wait

    def several(iterator):
        logs = once(timed_next(iterator, waited))
        if count == 1:
            return logs
        _, logs = tf.while_loop(
            lambda i, _: i < count,
            lambda i, _: (i + 1, once(timed_next(iterator, waited))),
            (tf.constant(1), logs),
            parallel_iterations=1,
        )
        return logs

    if not model.run_eagerly:
        several = tf.function(several, reduce_retracing=True, autograph=False)

    def function(iterator):
        if isinstance(iterator, _ITERATORS):
            return several(iterator)
        for data in itertools.islice(iterator, count):  # of `train_on_batch`
            logs = once(data)
        return logs

    return function


class NextBatch(keras.callbacks.Callback):
    """Tells training batches which of them is next, by the updates of an optimizer.

    Other callbacks, such as `BackupAndRestore`, put back an optimizer as training
    begins: the batches then go on where it was.

    Args:
        batches: of a `fit` that begins.
        optimizer: of the same.
    """

    def __init__(self, batches: TrainingBatches, optimizer: keras.Optimizer):
        super().__init__()
        self.batches, self.optimizer = batches, optimizer
        self._first = batches.next_batch - int(optimizer.iterations.numpy())

    def count(self) -> None:
        """Sets which batch is next."""
        self.batches.next_batch = self._first + int(self.optimizer.iterations.numpy())

    def on_train_begin(self, logs=None):
        self.count()


def with_last(callbacks, last: keras.callbacks.Callback):
    """What `fit` takes as callbacks, and one more behind them.

    >>> with_last(None, last := keras.callbacks.Callback()) == [last]
    True
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(last)
        return callbacks
    return [*keras.tree.flatten(callbacks or []), last]

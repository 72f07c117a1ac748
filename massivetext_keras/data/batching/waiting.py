"""How long training waits for its batches."""

from __future__ import annotations

import tensorflow as tf


def timed_next(iterator, waited: tf.Variable):
    """The next batch of an iterator, inside a graph or not.

    Args:
        iterator: of a dataset, distributed or not.
        waited: float64 on the host; the seconds until the batch was there are added,
            unless TensorFlow was told to be deterministic, which has no clock.
    """
    if not has_clock():
        return next(iterator)
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        data = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(data, expand_composites=True)):
        waited.assign_add(tf.timestamp() - start)
    return data


def waiting_time() -> tf.Variable:
    """Seconds without a batch, none yet: float64, on the host."""
    with tf.device("CPU:0"):
        return tf.Variable(0.0, dtype=tf.float64)


def timed(dataset: tf.data.Dataset, waited: tf.Variable) -> tf.data.Dataset:
    """A dataset that adds to a number how long each of its batches was waited for.

    Its elements are asked for in turn: the time at first, then the batch.

    Args:
        dataset: of batches.
        waited: see `waiting_time`; it stays what it is where there is no clock.

    >>> waited = waiting_time()
    >>> batches = timed(tf.data.Dataset.range(3), waited)
    >>> [int(i) for i in batches], float(waited) > 0.0
    ([0, 1, 2], True)
    """
    if not has_clock():
        return dataset
    plain = tf.autograph.experimental.do_not_convert
    asked = tf.data.Dataset.counter().map(plain(lambda _: tf.timestamp()))

    def batch_of(start, batch):
        waited.assign_add(tf.timestamp() - start)
        return batch

    # TensorFlow would put a buffer behind this, which asks ahead of the training.
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    batches = tf.data.Dataset.zip(asked, dataset).map(plain(batch_of))
    return batches.with_options(options)


def has_clock() -> bool:
    """Whether graphs may ask what time it is: not after `enable_op_determinism`."""
    try:
        with tf.init_scope():
            tf.timestamp()
    except tf.errors.FailedPreconditionError:
        return False
    return True

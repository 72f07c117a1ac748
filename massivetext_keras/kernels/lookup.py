"""Rows of a table, with a gradient that is as large as the table."""

from __future__ import annotations

import tensorflow as tf


def rows_of(table, indices) -> tf.Tensor:
    """`tf.gather(table, indices)` with a dense gradient.

    That of TensorFlow is a slice for each index, `tf.IndexedSlices`. Where an index
    occurs twice, Keras's optimizers square or write its slices one by one, and replicas
    put them one behind another: the update is no longer that of the sum.

    Args:
        table: a variable or tensor [rows, …].
        indices: int, of any shape.

    Returns:
        [*indices, …], of the table's dtype.

    >>> import tensorflow as tf
    >>> table = tf.Variable([1.0, 2.0, 3.0])
    >>> with tf.GradientTape() as tape:
    ...     y = tf.reduce_sum(rows_of(table, [0, 2, 2]))
    >>> tape.gradient(y, table).numpy().tolist()
    [1.0, 0.0, 2.0]
    """
    table, indices = tf.convert_to_tensor(table), tf.convert_to_tensor(indices)

    @tf.custom_gradient
    def call(table):
        def backward(upstream):
            total = tf.math.unsorted_segment_sum(
                tf.cast(upstream, tf.float32), indices, tf.shape(table)[0]
            )
            return tf.cast(tf.ensure_shape(total, table.shape), table.dtype)

        return tf.gather(table, indices), backward

    return call(table)

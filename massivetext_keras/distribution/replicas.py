"""Tensors of all replicas together."""

from __future__ import annotations

import tensorflow as tf


def replica_count() -> int:
    """How many replicas run what is traced."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(tensors):
    """Tensors of each replica -> their sums, on every replica."""
    if replica_count() == 1 or not tf.nest.flatten(tensors):
        return tensors
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def gather_over_replicas(tensors):
    """Tensors [n, …] of each replica -> those of all, one after another, on every one.

    Gradients flow back to the replica that a row is from.
    """
    if replica_count() == 1:
        return tensors
    context = tf.distribute.get_replica_context()
    # One by one: TensorFlow's gradient of several at once wants them of equal shapes.
    return [context.all_gather(tensor, axis=0) for tensor in tensors]

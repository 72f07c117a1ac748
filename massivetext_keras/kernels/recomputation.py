"""Activations made again in the backward pass instead of kept (Chen et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def recomputed(function: Callable, x: tf.Tensor, **others) -> tf.Tensor:
    """`function(x, **others)`, of which only the arguments are kept for the gradient.

    Args:
        function: one tensor and keywords to one tensor; may read variables. What it
            draws must be the same both times, see `random.with_own_keys`.
        x: what enters.
        **others: tensors, which get gradients too, and anything else, in any structure.

    >>> import tensorflow as tf
    >>> x = tf.constant(3.0)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = recomputed(lambda x, factor: factor * x * x, x, factor=tf.constant(2.0))
    >>> float(tape.gradient(y, x))
    12.0
    """
    flat = tf.nest.flatten(others)
    places = [i for i, value in enumerate(flat) if tf.is_tensor(value)]

    @tf.recompute_grad
    def run(x, *tensors):
        values = list(flat)
        for place, tensor in zip(places, tensors, strict=True):
            values[place] = tensor
        return function(x, **tf.nest.pack_sequence_as(others, values))

    return run(x, *(flat[place] for place in places))

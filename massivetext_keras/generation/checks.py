"""Numbers that a graph gets from a request, refused where they are out of range."""

from __future__ import annotations

import tensorflow as tf


def checked(value: tf.Tensor, holds: tf.Tensor, wanted: str) -> tf.Tensor:
    """The value, in a graph that fails where it is not what was wanted.

    Args:
        value: of any shape.
        holds: whether it is right; bool, of any shape.
        wanted: says so, with the name of the argument.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs.

    >>> count = tf.constant(-1)
    >>> checked(count, count > 0, "count must be positive")
    Traceback (most recent call last):
    tensorflow...InvalidArgumentError: ...count must be positive, got... -1...
    """
    check = tf.debugging.Assert(tf.reduce_all(holds), [f"{wanted}, got", value])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(value)

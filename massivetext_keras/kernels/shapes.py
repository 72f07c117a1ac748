"""Shapes of tensors, without operations for what the graph knows."""

from __future__ import annotations

import tensorflow as tf


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """Sizes of a tensor's axes: numbers where they are known, else int32 scalars.

    `tf.shape` and what is taken of it are a dozen operations for each reshape, which
    are traced, and thrown away as constants later.

    >>> shape_of(tf.zeros([2, 3]))
    [2, 3]
    """
    known = list(x.shape)
    if None not in known:
        return known
    sizes = tf.unstack(tf.shape(x))
    return [size if size is not None else sizes[i] for i, size in enumerate(known)]

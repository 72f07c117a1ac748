"""What is known of batches beside their loss: how long they took, what is padding."""

from __future__ import annotations

import tensorflow as tf


def timed_next(iterator, waited: tf.Variable):
    """The next batch of an iterator, inside a graph or not.

    Args:
        iterator: of a dataset, distributed or not.
        waited: float64 on the host; the seconds until the batch was there are added.
    """
    start = tf.timestamp()
    with tf.control_dependencies([start]):
        data = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(data, expand_composites=True)):
        waited.assign_add(tf.timestamp() - start)
    return data


def padding(features, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """How many positions of a batch are padding, and how many there are.

    Padding is what a padding mask or, in packed rows, segment 0 says; a sequence
    without them has none. The two sequences of an encoder-decoder both count.

    Args:
        features: `…token_ids` and, where there is padding, `…padding_mask` or
            `…segment_ids`, int32 [batch, length]; or token ids alone.
        labels: int32 [batch, …], whose positions count where no token ids are named.

    Returns:
        float32 scalars.

    >>> ids, mask = tf.zeros([2, 3], tf.int32), tf.constant([[1, 1, 0], [1, 0, 0]])
    >>> [float(n) for n in padding({"token_ids": ids, "padding_mask": mask}, ids)]
    [3.0, 6.0]
    >>> segments = tf.constant([[1, 2, 2], [1, 1, 0]])
    >>> [float(n) for n in padding({"token_ids": ids, "segment_ids": segments}, ids)]
    [1.0, 6.0]
    """
    named = features if isinstance(features, dict) else {"token_ids": features}
    ids = {k: v for k, v in named.items() if k.endswith("token_ids")}
    masks = [
        named.get(
            k.replace("token_ids", "padding_mask"),
            named.get(k.replace("token_ids", "segment_ids")),
        )
        for k in ids
    ]
    sizes = [tf.size(x) for x in ids.values()] or [tf.size(labels)]
    real = [
        size if mask is None else tf.math.count_nonzero(mask, dtype=tf.int32)
        for mask, size in zip(masks or [None], sizes, strict=True)
    ]
    total = tf.cast(tf.add_n(sizes), tf.float32)
    return total - tf.cast(tf.add_n(real), tf.float32), total

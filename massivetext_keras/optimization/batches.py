"""Batches as `fit` gets them: their parts, and what of them is padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# Features by name, or token ids alone; labels; loss weights.
Batch = tuple[Any, tf.Tensor, tf.Tensor]


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


def unpacked(
    data, as_labels: Callable[[tf.Tensor], tf.Tensor], weighs_rows: bool = False
) -> Batch:
    """Features, labels and loss weights of a batch, as a task's `summed_loss` takes
    them.

    Whole numbers become int32. Weights of rows, float [batch], are those of all their
    labels; without weights all that is not padding has 1.

    Args:
        data: what Keras gives to `train_step`.
        as_labels: numbers of any type, to what the task takes.
        weighs_rows: whether a loss weight is of a row, and not of each of its labels.

    Raises:
        ValueError: there are no labels.

    >>> ids = tf.constant([[5, 6], [7, 0]], tf.int64)
    >>> features = {"token_ids": ids, "padding_mask": tf.cast(ids > 0, tf.int32)}
    >>> _, labels, weights = unpacked((features, ids, [1.0, 0.5]), tf.identity)
    >>> labels.dtype, weights.numpy().tolist()
    (tf.int32, [[1.0, 1.0], [0.5, 0.0]])
    """
    features, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if labels is None:
        raise ValueError(
            "give what is to be learnt too: fit(x, y), a dataset of (x, y), or what "
            "task.datasets makes"
        )
    features, labels = tf.nest.map_structure(_as_int32, (features, labels))
    labels = as_labels(labels)
    known = _default_weights(features, labels, weighs_rows)
    if weights is None:
        return features, labels, known
    return features, labels, _of_labels(tf.cast(weights, tf.float32), known)


def _as_int32(x: tf.Tensor) -> tf.Tensor:
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.int32) if x.dtype.is_integer else x


def _of_labels(weights: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Weights of rows or of labels, as those of labels.

    Args:
        weights: float32 [batch], [batch, 1] or as `known`; a graph that has seen more
            than one of these does not know which.
        known: weights where nobody gives some, float32 [batch] or [batch, length].
    """
    rank, rows = weights.shape.rank, tf.shape(known)[0]
    if known.shape.rank == 1:
        return weights if rank == 1 else tf.reshape(weights, [rows])
    if rank == known.shape.rank and weights.shape[1] not in (1, None):
        return weights
    by_row = weights if rank == known.shape.rank else tf.reshape(weights, [rows, -1])
    return tf.where(tf.shape(by_row)[1] == 1, known * by_row[:, :1], by_row)


def _default_weights(features, labels: tf.Tensor, weighs_rows: bool) -> tf.Tensor:
    """1 for a row, or for each label of a row that is no padding, float32."""
    if weighs_rows:
        return tf.ones(tf.shape(labels)[:1])
    named = features if isinstance(features, dict) else {}
    masks = [k for k in named if k.endswith("padding_mask")]
    if not masks or "masked_positions" in named:
        return tf.ones_like(labels, tf.float32)
    last = "decoder_padding_mask" if len(masks) > 1 else masks[0]
    return tf.cast(named[last], tf.float32)


def cut(batch, parts: int) -> Callable[[tf.Tensor], tuple]:
    """Rows of a batch -> a function of i < parts that gives the rows of part i.

    Raises:
        ValueError: the number of rows is known and no multiple of the parts.
    """
    rows = tf.nest.flatten(batch)[0].shape[0]
    if rows is not None and rows % parts:
        raise ValueError(
            f"micro_batches={parts} do not divide the {rows} rows of a batch on each "
            "replica"
        )
    size = rows // parts if rows else None

    def part(i):
        def of(x):
            if size:
                return tf.slice(
                    x, [i * size] + [0] * (x.shape.rank - 1), [size, *x.shape[1:]]
                )
            count = tf.shape(x)[0]
            return x[i * count // parts : (i + 1) * count // parts]

        return tf.nest.map_structure(of, batch)

    return part

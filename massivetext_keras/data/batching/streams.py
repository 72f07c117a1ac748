"""Rows of batches that go on where those of the batch before ended."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped


def stream_batches(
    tokens: np.ndarray, rows: int, length: int, seed: int = 0, start: int = 0
) -> TrainingBatches:
    """Endless batches of which each row goes on where that of the batch before ended.

    Each epoch cuts the text, from another offset on, into as many streams as a batch
    has rows. Batch k is a function of the seed and k.

    Args:
        tokens: int32 [tokens].
        rows: of a batch.
        length: tokens of a row.
        seed: of the offsets.
        start: number of the first batch.

    Returns:
        Dataset of ({"token_ids": int32 [rows, length], "continues": int32 [rows], 0 in
        the first batch of an epoch}, labels int32, loss weights float32).

    Raises:
        ValueError: there are not enough tokens for a window of every row.

    >>> batches = stream_batches(np.arange(15), rows=2, length=3)
    >>> features, labels, _ = next(iter(batches.endless()))
    >>> features["continues"].numpy().tolist(), len(batches)
    ([0, 0], 2)
    """
    count = (len(tokens) - 1) // (rows * length)
    if count < 1:
        raise ValueError(
            f"the text has {len(tokens)} tokens, too few for {rows} rows of {length} "
            "and their labels: lower batch_size or sequence_length, or give more text"
        )
    slack = len(tokens) - 1 - count * rows * length
    row = tf.constant(tokens, tf.int32)
    streams = tf.range(rows) * count * length

    def batch(k):
        epoch, place = k // count, tf.cast(k % count, tf.int32)
        seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
        offset = tf.random.stateless_uniform([], seeds, 0, slack + 1, tf.int32)
        first = offset + streams + place * length
        windows = tf.gather(row, first[:, None] + tf.range(length + 1))
        return _example(windows, tf.ones([rows, length]), place)

    return TrainingBatches(batch, count, start, endless=True)


def stream_validation(tokens: np.ndarray, rows: int, length: int) -> tf.data.Dataset:
    """Batches as `stream_batches` makes them that predict every token but the first
    exactly once; what is left of the last batch has loss weight 0.

    Raises:
        ValueError: there are fewer than two tokens.
    """
    predicted = len(tokens) - 1
    if predicted < 1:
        raise ValueError("the validation text has fewer than two tokens")
    count = -(-predicted // (rows * length))
    missing = count * rows * length - predicted
    row = np.concatenate([np.asarray(tokens, np.int32), np.zeros(missing, np.int32)])
    places = np.arange(rows)[:, None] * count * length + np.arange(length + 1)
    starts = tf.data.Dataset.range(count)

    def batch(k):
        at = tf.constant(places, tf.int32) + tf.cast(k, tf.int32) * length
        weights = tf.cast(at[:, :-1] < predicted, tf.float32)
        return _example(tf.gather(tf.constant(row), at), weights, k)

    return mapped(starts, batch).prefetch(2)


def _example(windows: tf.Tensor, weights: tf.Tensor, place: tf.Tensor) -> tuple:
    """Windows of n + 1 tokens, and which of its epoch the batch is."""
    continues = tf.fill([windows.shape[0]], tf.cast(place > 0, tf.int32))
    features = {"token_ids": windows[:, :-1], "continues": continues}
    return features, windows[:, 1:], weights

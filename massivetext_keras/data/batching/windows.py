"""Windows over one long row of tokens: batch k is a function of the seed and k."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped

# What `tf.random.experimental.index_shuffle` puts before its two seeds.
_FIRST_SEED = 498247692


def training_batches(
    tokens: np.ndarray,
    batch_size: int,
    sequence_length: int,
    seed: int = 0,
    start: int = 0,
    prefix: bool = False,
) -> TrainingBatches:
    """Endless batches of windows, in an order that only depends on the seed.

    Each epoch cuts the row at another offset and goes through the windows in another
    order, every window once. Nothing but the number of the batch is state: to go on
    after a stop, give `start`.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        sequence_length: tokens per window.
        seed: of offsets and order.
        start: number of the first batch.
        prefix: the features have a `prefix_mask` too, of a length drawn for each window
            anew (Dong et al., 2019), and its tokens no weight.

    Returns:
        Dataset of ({"token_ids": int32 [batch, length]}, labels int32, loss weights
        float32).

    Raises:
        ValueError: there are not enough tokens for one window.
    """
    places = tf.range(sequence_length)[None]

    def example(k, windows):
        features, labels, weights = _example(
            windows, tf.ones([batch_size, sequence_length])
        )
        if prefix:
            seeds = tf.stack([np.int64(seed), k])
            ends = tf.random.stateless_uniform(
                [batch_size, 1], seeds, 0, sequence_length, tf.int32
            )
            features["prefix_mask"] = tf.cast(places < ends, tf.int32)
            weights *= tf.cast(places + 1 >= ends, tf.float32)
        return features, labels, weights

    return shuffled_windows(
        tokens, batch_size, sequence_length, example, 1, seed, start
    )


def shuffled_windows(
    tokens: np.ndarray,
    batch_size: int,
    length: int,
    example: Callable[[tf.Tensor, tf.Tensor], tuple],
    overlap: int = 0,
    seed: int = 0,
    start: int = 0,
) -> TrainingBatches:
    """What `training_batches` cuts, with another use of it.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        length: tokens from one window to the next.
        example: number k of a batch and its windows, int32 [batch, length + overlap],
            to what the batch is.
        overlap: tokens of a window that the next one begins with.
        seed: of offsets and order.
        start: number of the first batch.

    Raises:
        ValueError: there are not enough tokens for one window.
    """
    _check_sizes(batch_size, length)
    _check_enough(tokens, length, overlap)
    usable = len(tokens) - overlap
    count = max(1, usable // length - 1)
    slack = usable - count * length
    row = tf.constant(tokens, tf.int32)

    def first_token(index):
        place, seeds = shuffled(index, count, seed)
        offset = tf.random.stateless_uniform([], seeds, 0, slack + 1, tf.int32)
        return offset + place * length

    def batch(k):
        index = k * batch_size + tf.range(batch_size, dtype=tf.int64)
        first = tf.map_fn(first_token, index, fn_output_signature=tf.int32)
        windows = tf.gather(row, first[:, None] + tf.range(length + overlap))
        return example(k, tf.ensure_shape(windows, [batch_size, length + overlap]))

    return TrainingBatches(batch, -(-count // batch_size), start, endless=True)


def shuffled(
    index: tf.Tensor, count: int | tf.Tensor, seed: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which of `count` things comes at a place of an endless row of shuffled epochs.

    Args:
        index: int64 scalar, or [n] for several places.
        count: things in an epoch, each once; or int64 [n].
        seed: of the orders; or int64 [n].

    Returns:
        Its number, int32 of the index's shape, and two seeds of the epoch, int64 [2] or
        [n, 2].

    >>> [int(shuffled(tf.constant(i, tf.int64), 3, seed=0)[0]) for i in range(6)]
    [0, 2, 1, 1, 0, 2]
    >>> shuffled(tf.range(6, dtype=tf.int64), 3, seed=0)[0].numpy().tolist()
    [0, 2, 1, 1, 0, 2]
    """
    epoch, place = index // count, tf.cast(index % count, tf.int32)
    seeds = tf.stack([tf.zeros_like(epoch) + seed, epoch], axis=-1)
    # `index_shuffle` itself takes no rows of seeds, whatever it says.
    before = [[0, 0]] * (seeds.shape.rank - 1) + [[1, 0]]
    place = tf.raw_ops.RandomIndexShuffle(
        index=place,
        seed=tf.pad(tf.cast(seeds, tf.int32), before, constant_values=_FIRST_SEED),
        max_index=tf.cast(count - 1, tf.int32),
        rounds=4,
    )
    return place, seeds


def ordered_windows(
    tokens: np.ndarray, batch_size: int, length: int, example: Callable
) -> tf.data.Dataset:
    """Windows for evaluation: all that are full, each once, in order.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        length: tokens of a window.
        example: number k of a batch, its windows, int32 [batch, length], and weights
            float32 [batch], 0 for what fills the last batch, to what the batch is.

    Raises:
        ValueError: there are not enough tokens for one window.
    """
    _check_sizes(batch_size, length)
    _check_enough(tokens, length)
    count = len(tokens) // length
    windows = np.reshape(tokens[: count * length], [count, length])
    return ordered(windows.astype(np.int32), batch_size, example)


def ordered(rows: np.ndarray, batch_size: int, example: Callable) -> tf.data.Dataset:
    """All rows once, in order; `example` is that of `ordered_windows`."""
    index = np.arange(len(rows) + -len(rows) % batch_size)
    real = (index < len(rows)).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((rows[index % len(rows)], real))
    batches = batches.batch(batch_size, drop_remainder=True).enumerate()
    return mapped(batches, lambda k, some: example(k, *some)).prefetch(2)


def validation_batches(
    tokens: np.ndarray, batch_size: int, sequence_length: int
) -> tf.data.Dataset:
    """Batches that predict every token but the first exactly once, in order.

    What is left of the last batch has loss weight 0.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        sequence_length: tokens per window.

    Raises:
        ValueError: there are fewer than two tokens.
    """
    _check_sizes(batch_size, sequence_length)
    count = len(tokens) - 1
    if count < 1:
        raise ValueError("the validation text has fewer than two tokens")
    in_batch = batch_size * sequence_length
    filler = -count % in_batch
    row = np.concatenate([np.asarray(tokens, np.int32), np.zeros(filler, np.int32)])
    shape = (-1, sequence_length)
    inputs, labels = row[:-1].reshape(shape), row[1:].reshape(shape)
    weights = (np.arange(count + filler) < count).astype(np.float32).reshape(shape)
    dataset = tf.data.Dataset.from_tensor_slices(
        ({"token_ids": inputs}, labels, weights)
    )
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)


def _check_sizes(batch_size: int, sequence_length: int) -> None:
    for name, value in (
        ("batch_size", batch_size),
        ("sequence_length", sequence_length),
    ):
        if value < 1:
            raise ValueError(f"{name} must be positive, got {value}")


def _check_enough(tokens: np.ndarray, length: int, overlap: int = 0) -> None:
    if len(tokens) < length + overlap:
        labels = " and its labels" if overlap else ""
        raise ValueError(
            f"the text has {len(tokens)} tokens, too few for one window of "
            f"sequence_length {length}{labels}: lower sequence_length or give more text"
        )


def _example(window: tf.Tensor, weights: tf.Tensor) -> tuple:
    """Windows of n + 1 tokens -> features, labels and weights of n."""
    return {"token_ids": window[:, :-1]}, window[:, 1:], weights

"""Batches of rows of like lengths: little padding, few shapes, a function of k."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped
from massivetext_keras.data.batching.windows import shuffled

logger = logging.getLogger(__name__)

# A share of padding below which more shapes are not worth their compilation.
_ENOUGH = 0.08
_MOST_SHAPES = 64
# Batches of an epoch below which a shape is not worth that either.
_FEWEST = 2


class Bucket(NamedTuple):
    """Rows that are padded to one shape.

    Attributes:
        rows: int [n], their numbers.
        shape: tokens of each column: of a text, or of a source and its target.
    """

    rows: np.ndarray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, rows: np.ndarray, lengths: np.ndarray) -> Bucket:
        """The bucket of some rows, as wide as the longest of them."""
        return cls(rows, tuple(lengths[rows].max(axis=0).tolist()))

    @property
    def size(self) -> int:
        """Tokens, padding included."""
        return len(self.rows) * sum(self.shape)


def make_buckets(
    lengths: np.ndarray, batch_tokens: int | None, batch_size: int | None = None
) -> list[Bucket]:
    """Cuts rows into buckets until little is padding.

    One bucket holds all; again and again the cut that saves the most padding is made,
    by the length of a column, of those that make no more batches of the same rows: so
    batches stay full, and a small set has few shapes.

    Args:
        lengths: int [rows, columns], tokens.
        batch_tokens: tokens of a batch.
        batch_size: rows of a batch, instead.

    >>> [b.shape for b in make_buckets(np.array([[2, 2], [2, 2], [9, 9], [9, 8]]), 4)]
    [(2, 2), (9, 9)]
    """
    number = itertools.count()  # equal savings are cut in the order they were found

    def entry(bucket):
        saved, parts = _best_cut(bucket, lengths, batch_tokens, batch_size)
        return -saved, next(number), bucket, parts

    queue = [entry(Bucket.of(np.arange(len(lengths)), lengths))]
    real = lengths.sum()
    while len(queue) < _MOST_SHAPES and queue[0][0] < 0:
        if 1 - real / sum(bucket.size for _, _, bucket, _ in queue) < _ENOUGH:
            break
        _, _, _, parts = heapq.heappop(queue)
        for part in parts:
            heapq.heappush(queue, entry(part))
    return sorted((b for _, _, b, _ in queue), key=lambda b: (sum(b.shape), b.shape))


def _best_cut(
    bucket: Bucket,
    lengths: np.ndarray,
    batch_tokens: int | None,
    batch_size: int | None,
):
    """The padding that the best cut saves, 0 if there is none, and its two parts."""
    best = 0
    parts: tuple[Bucket, Bucket] | tuple[()] = ()
    count = np.arange(1, len(bucket.rows))

    def batches(rows, tokens):
        return -(-rows // rows_of_batch(tokens, batch_tokens, batch_size))

    most = batches(len(bucket.rows), sum(bucket.shape))
    for axis in range(lengths.shape[1]):
        rows = bucket.rows[np.argsort(lengths[bucket.rows, axis], kind="stable")]
        sorted_lengths = lengths[rows]
        low = np.maximum.accumulate(sorted_lengths)[:-1].sum(axis=1)
        high = np.maximum.accumulate(sorted_lengths[::-1])[::-1][1:].sum(axis=1)
        saved = bucket.size - low * count - high * count[::-1]
        lower, higher = batches(count, low), batches(count[::-1], high)
        saved[(lower + higher > most) | (np.minimum(lower, higher) < _FEWEST)] = 0
        if saved.size and saved.max() > best:
            at = int(saved.argmax()) + 1
            best = int(saved.max())
            parts = Bucket.of(rows[:at], lengths), Bucket.of(rows[at:], lengths)
    return best, parts


def rows_of_batch(tokens, batch_tokens: int | None, batch_size: int | None):
    """Rows that make a batch, at least one.

    Args:
        tokens: int or array of int, tokens of a row, all columns and padding together.
        batch_tokens: tokens of a batch.
        batch_size: rows of a batch, instead.

    >>> int(rows_of_batch(30, 100, None)), rows_of_batch(30, None, 8)
    (3, 8)
    """
    return batch_size or np.maximum(batch_tokens // tokens, 1)


class BucketedRows:
    """Rows of tokens, in one column or several, and the batches they make.

    A batch is of one bucket and has about `batch_tokens` tokens, or `batch_size` rows,
    so that every batch of a bucket has one shape. An epoch has every row once; where a
    bucket's last rows do not fill a batch, empty rows do.

    Args:
        columns: ids of each row; of pairs those of the sources, then of the targets.
        batch_tokens: tokens of a batch, all columns and padding together.
        batch_size: rows of a batch, instead.
        aligned: more of each row, with a number for each id of the first column.
        fixed: more of each row, arrays [rows, …] of one shape for all.

    Raises:
        ValueError: there are no rows, or `batch_tokens` is less than a row needs.

    >>> pairs = BucketedRows([[[5, 6], [7]], [[8], [9]]], batch_tokens=6)
    >>> pairs.count, pairs.batches, round(pairs.padding, 2)
    (2, 1, 0.17)
    """

    def __init__(
        self,
        columns: Sequence[Iterable],
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        aligned: Sequence[Iterable] = (),
        fixed: Sequence[np.ndarray] = (),
    ):
        if (batch_tokens is None) == (batch_size is None):
            raise ValueError("give batch_tokens or batch_size, and not both")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {batch_size}")
        self._columns = [_Column(rows) for rows in columns]
        self._aligned = [_Column(rows) for rows in aligned]
        self._fixed = [tf.constant(_with_empty(np.asarray(x))) for x in fixed]
        lengths = np.stack([column.lengths for column in self._columns], axis=1)[:-1]
        self.count = len(lengths)
        if not self.count:
            raise ValueError("there are no rows to make batches of")
        self.buckets = make_buckets(lengths, batch_tokens, batch_size)
        self._batch_tokens, self._batch_size = batch_tokens, batch_size
        longest = max(sum(bucket.shape) for bucket in self.buckets)
        if batch_tokens is not None and batch_tokens < longest:
            raise ValueError(
                f"batch_tokens {batch_tokens} is less than the longest row, which "
                f"takes {longest}"
            )
        counts, sizes = [], []
        for rows, shape in self.buckets:
            fitting = int(rows_of_batch(sum(shape), batch_tokens, batch_size))
            counts.append(-(-len(rows) // fitting))
            sizes.append(-(-len(rows) // counts[-1]))  # all batches of about one size
        self.batches = sum(counts)
        shapes = np.array([bucket.shape for bucket in self.buckets])
        tokens = np.dot(np.multiply(counts, sizes), shapes.sum(axis=1))
        self.padding = float(1 - lengths.sum() / tokens)
        self._ends = tf.constant(np.cumsum(counts), tf.int32)
        self._counts, self._sizes = tf.constant(counts), tf.constant(sizes)
        self._shapes = tf.constant(shapes, tf.int32)
        self._rows = tf.ragged.constant([b.rows.tolist() for b in self.buckets])

    def log(self, what: str) -> None:
        """Says how much there is and how much of it is padding."""
        logger.info(
            f"{self.count:,} {what} make {self.batches:,} batches of "
            f"{len(self.buckets)} shapes an epoch, {self.padding:.1%} of them padding"
        )

    def training(
        self, example: Callable, seed: int = 0, start: int = 0
    ) -> TrainingBatches:
        """Endless batches, in an order that only depends on the seed.

        Args:
            example: ids and mask of each column, int32 [batch, tokens], then what is
                aligned, [batch, tokens], and fixed, [batch, …], to what a batch is.
            seed: of the order of batches and of the rows in them.
            start: number of the first batch.

        Returns:
            Dataset of what `example` gives.
        """

        def batch(k):
            place, seeds = shuffled(k, self.batches, seed)
            return example(*self._batch(place, tf.cast(seeds, tf.int32)))

        return TrainingBatches(batch, self.batches, start, endless=True)

    def poisson(
        self, example: Callable, rows: int, seed: int = 0, start: int = 0
    ) -> TrainingBatches:
        """Endless batches, in each of which every row is with the same probability,
        whatever else is in it: their sizes differ.

        Args:
            example: see `training`.
            rows: that a batch has on average.
            seed: of which rows are in which batch.
            start: number of the first batch.

        Raises:
            ValueError: so many rows are not there.
        """
        if not 0 < rows <= self.count:
            raise ValueError(f"a batch cannot have {rows} of {self.count} rows")
        widths = np.zeros([self.count, len(self._columns)], np.int32)
        for bucket in self.buckets:
            widths[bucket.rows] = bucket.shape
        widths, share = tf.constant(widths), tf.constant(rows / self.count, tf.float64)

        def batch(k):
            drawn = tf.random.stateless_uniform(
                [self.count], [seed, k], dtype=tf.float64
            )
            picked = tf.cast(tf.where(drawn < share)[:, 0], tf.int32)
            wide = tf.reduce_max(tf.gather(widths, picked), axis=0)
            return example(*self._padded(picked, tf.maximum(wide, 1)))

        per_epoch = -(-self.count // rows)
        return TrainingBatches(batch, per_epoch, start, endless=True)

    def validation(self, example: Callable) -> tf.data.Dataset:
        """Batches that hold every row once, from the shortest to the longest; empty
        rows fill them."""
        batches = tf.data.Dataset.range(self.batches, output_type=tf.int32)
        return mapped(batches, lambda k: example(*self._batch(k))).prefetch(2)

    def in_order(self, example: Callable) -> tf.data.Dataset:
        """Batches that hold every row once, in their order, and no other row.

        They are as wide as one of the buckets: no shapes are added but that of the
        last batch. There is more padding than in those of `validation`.
        """
        spans = [np.array(column) for column in zip(*self._spans(), strict=True)]
        firsts, ends, widths = (tf.constant(column, tf.int32) for column in spans)

        def batch(first, end, widths):
            return example(*self._padded(tf.range(first, end), widths))

        batches = tf.data.Dataset.from_tensor_slices((firsts, ends, widths))
        return mapped(batches, batch).prefetch(2)

    def _spans(self) -> Iterator[tuple[int, int, list[int]]]:
        """First row, the one behind the last, and widths of the batches in order."""
        shapes = np.unique([bucket.shape for bucket in self.buckets], axis=0)
        known = [np.unique(shapes[:, i]) for i in range(shapes.shape[1])]
        lengths = np.stack([column.lengths for column in self._columns], axis=1)[:-1]

        def wide(longest: np.ndarray) -> list[int]:
            pairs = zip(known, longest, strict=True)
            return [int(some[np.searchsorted(some, size)]) for some, size in pairs]

        first, longest = 0, lengths[0]
        for row in range(1, self.count):
            wider = np.maximum(longest, lengths[row])
            rows = row + 1 - first
            sizes = self._batch_tokens, self._batch_size
            full = rows > rows_of_batch(sum(wide(wider)), *sizes)
            if full:
                yield first, row, wide(longest)
                first, wider = row, lengths[row]
            longest = wider
        yield first, self.count, wide(longest)

    def _batch(self, place: tf.Tensor, seeds: tf.Tensor | None = None) -> tuple:
        """What `example` gets for batch `place` of an epoch, shuffled with seeds."""
        bucket = tf.searchsorted(self._ends, place[None], side="right")[0]
        rows, size = self._rows[bucket], self._sizes[bucket]
        nth = place - self._ends[bucket] + self._counts[bucket]
        index = nth * size + tf.range(size)
        real = tf.minimum(index, tf.size(rows) - 1)
        if seeds is not None:
            # every bucket in an order of its own
            seeds = seeds + tf.stack([bucket * self.batches, 0])
            real = tf.random.experimental.index_shuffle(real, seeds, tf.size(rows) - 1)
        picked = tf.where(index < tf.size(rows), tf.gather(rows, real), self.count)
        return self._padded(picked, self._shapes[bucket])

    def _padded(self, picked: tf.Tensor, widths: tf.Tensor) -> tuple:
        """What `example` gets of some rows, padded to the widths of their columns."""
        widths = tf.unstack(widths, len(self._columns))
        pairs = zip(self._columns, widths, strict=True)
        parts = [column.padded(picked, width) for column, width in pairs]
        aligned = [column.padded(picked, widths[0])[0] for column in self._aligned]
        fixed = [tf.gather(values, picked) for values in self._fixed]
        return *itertools.chain(*parts), *aligned, *fixed


def _with_empty(values: np.ndarray) -> np.ndarray:
    """The values of all rows, and zeros for the empty row behind them."""
    return np.concatenate([values, np.zeros_like(values[:1])])


class _Column:
    """Rows of numbers, one after another, and an empty one behind them."""

    def __init__(self, rows: Iterable):
        rows = [np.asarray(row) for row in rows]
        whole = all(row.dtype.kind in "iub" or not row.size for row in rows)
        kind = np.int32 if whole else np.float32
        rows = [row.astype(kind) for row in rows]
        self.lengths = np.array([*map(len, rows), 0])
        self._flat = tf.constant(np.concatenate([*rows, np.zeros(1, kind)]))
        ends = np.cumsum(self.lengths)
        self._starts = tf.constant(ends - self.lengths, tf.int32)
        self._lengths = tf.constant(self.lengths, tf.int32)

    def padded(self, picked: tf.Tensor, width: tf.Tensor) -> tuple:
        """Numbers and mask, int32 [rows, width], of some rows."""
        places = tf.range(width)[None]
        mask = places < tf.gather(self._lengths, picked)[:, None]
        places = tf.where(mask, tf.gather(self._starts, picked)[:, None] + places, 0)
        values, mask = tf.gather(self._flat, places), tf.cast(mask, tf.int32)
        return values * tf.cast(mask, values.dtype), mask


class Batches(NamedTuple):
    """Rows, and what a batch of them is.

    Attributes:
        rows: of tokens.
        example: see `BucketedRows.training`.
    """

    rows: BucketedRows
    example: Callable

    @property
    def count(self) -> int:  # type: ignore[override]  # hides that of tuple
        """Batches of an epoch."""
        return self.rows.batches

    def training(self, seed: int = 0, start: int = 0) -> TrainingBatches:
        """Endless shuffled batches; see `BucketedRows.training`."""
        return self.rows.training(self.example, seed, start)

    def poisson(self, rows: int, seed: int = 0, start: int = 0) -> TrainingBatches:
        """Batches of random sizes; see `BucketedRows.poisson`."""
        return self.rows.poisson(self.example, rows, seed, start)

    def validation(self) -> tf.data.Dataset:
        """Every row once; see `BucketedRows.validation`."""
        return self.rows.validation(self.example)

    def in_order(self) -> tf.data.Dataset:
        """Every row once, in their order; see `BucketedRows.in_order`."""
        return self.rows.in_order(self.example)

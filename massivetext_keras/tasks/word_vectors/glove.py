"""GloVe: how often words occur together, and vectors whose products are the logs.

Source: Pennington et al. (2014), "GloVe: global vectors for word representation".
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.ngram.scratch import Scratch
from massivetext_keras.tasks.word_vectors.vocabulary import Stream

POWER = 0.75  # of counts in weights
_CHUNK = 8_000_000  # entries that are summed up at a time: 400 MB
_PARTS = 64
BATCH = 1024  # entries of an update
UPDATES = 64  # of a batch


class Entries(NamedTuple):
    """The cells of the matrix that are not 0.

    Attributes:
        rows, columns: int32 [cells], words.
        counts: float32 [cells].
    """

    rows: np.ndarray
    columns: np.ndarray
    counts: np.ndarray


def cooccurrences(
    stream: Stream, window: int, chunk: int = _CHUNK, folder: str | None = None
) -> Entries:
    """How often words are near to one another; a pair at a distance of k counts 1 / k.

    Sums of what fits into `chunk` are written in parts by keys, and these are summed up
    one by one, so that memory does not grow with the text.

    Args:
        stream: of ids.
        window: words on each side.
        chunk: pairs that are summed up at a time.
        folder: for temporary files (None: the system's).

    Returns:
        In the order of rows, then columns.
    """
    size = stream.mark
    scratch = Scratch(chunk, folder or tempfile.gettempdir())
    counts = np.bincount(stream.array(), minlength=size + 1)[:size].astype(np.int64)
    share = np.searchsorted(
        np.cumsum(counts), counts.sum() * np.arange(1, _PARTS) / _PARTS
    )
    borders = np.unique(share) * size
    parts = [
        (scratch.writer(np.int64), scratch.writer(np.float64))
        for _ in range(len(borders) + 1)
    ]
    for keys, values in _sums(stream, window, chunk):
        cuts = [0, *np.searchsorted(keys, borders), len(keys)]
        for (to, with_), start, stop in zip(parts, cuts, cuts[1:], strict=False):
            to.append(keys[start:stop])
            with_.append(values[start:stop])
    rows, columns = scratch.writer(np.int32), scratch.writer(np.int32)
    found = scratch.writer(np.float32)
    for to, with_ in parts:
        keys, values = _summed(to.array(), with_.array())
        rows.append(keys // size)
        columns.append(keys % size)
        found.append(values)
    return Entries(rows.array(), columns.array(), found.array())


def _sums(
    stream: Stream, window: int, chunk: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sums by key of the pairs of some text at a time."""
    ids, step = stream.array(), max(chunk // (2 * window), 1)
    for start in range(0, len(ids), step):
        some = np.asarray(ids[start : start + step + window], np.int64)
        sequence = np.cumsum(some == stream.mark)
        keys, values = [], []
        for far in range(1, window + 1):
            left, right = some[:-far][:step], some[far:][:step]
            near = (sequence[:-far] == sequence[far:])[:step]
            near &= (left != stream.mark) & (right != stream.mark)
            left, right = left[near], right[near]
            keys += [left * stream.mark + right, right * stream.mark + left]
            values += [np.full(2 * len(left), 1 / far)]
        yield _summed(np.concatenate(keys), np.concatenate(values))


def _summed(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[firsts], np.add.reduceat(np.asarray(values)[order], firsts)


class Shuffled:
    """Entries in random order in a file, which tf.data reads in another one each time.

    Args:
        entries: of `cooccurrences`.
        seed: of the order.
    """

    def __init__(self, entries: Entries, seed: int):
        self._folder = tempfile.TemporaryDirectory(prefix="massivetext-")
        path = Path(self._folder.name) / "entries"
        size = len(entries.rows)
        self.records = -(-size // (BATCH * UPDATES))
        order = np.random.default_rng(seed).permutation(size)
        with open(path, "wb") as file:
            for start in range(0, size, BATCH * UPDATES):
                some = order[start : start + BATCH * UPDATES]
                row = np.zeros((3, BATCH * UPDATES), "<i4")
                row[0, : len(some)] = entries.rows[some]
                row[1, : len(some)] = entries.columns[some]
                row[2, : len(some)] = entries.counts[some].view(np.int32)
                file.write(row.data)  # a count of 0 has no weight
        self.dataset = (
            tf.data.FixedLengthRecordDataset(str(path), 12 * BATCH * UPDATES)
            .shuffle(min(self.records, 64), seed)
            .repeat()
            .map(_cells)
            .prefetch(2)
        )


def _cells(record: tf.Tensor) -> dict[str, tf.Tensor]:
    row = tf.reshape(tf.io.decode_raw(record, tf.int32), [3, UPDATES, BATCH])
    return {
        "rows": row[0],
        "columns": row[1],
        "counts": tf.bitcast(row[2], tf.float32),
    }


def update(
    rows: tf.Tensor,
    columns: tf.Tensor,
    counts: tf.Tensor,
    tables: tuple[tf.Variable, tf.Variable],
    squares: Sequence[tf.Variable],
    rate: tf.Tensor,
    x_max: float,
) -> tuple[tf.Tensor, list[tf.Operation]]:
    """One step of AdaGrad (Duchi et al., 2011) on some cells.

    Args:
        rows, columns: int32 [cells].
        counts: float32 [cells]; what is 0 has no weight.
        tables: float [words, d + 1] of words and of contexts, the bias last.
        squares: sums of squared changes, of the same shapes.
        rate: of learning.
        x_max: count from which on the weight is 1.

    Returns:
        The loss, sum of f(x) (w·c + b + b' - log x)^2, and what changes the tables.
    """
    one, other = tf.gather(tables[0], rows), tf.gather(tables[1], columns)
    real = tf.cast(counts > 0, one.dtype)
    logs = tf.math.log(tf.where(counts > 0, counts, 1.0))
    product = tf.reduce_sum(one[:, :-1] * other[:, :-1], -1)
    error = product + one[:, -1] + other[:, -1] - logs
    weights = real * tf.minimum((counts / x_max) ** POWER, 1.0)
    slope = (rate * weights * error)[:, None]
    done = []
    ends = tf.ones_like(slope)
    for table, square, ids, partner in (
        (tables[0], squares[0], rows, other),
        (tables[1], squares[1], columns, one),
    ):
        change = slope * tf.concat([partner[:, :-1], ends], 1)
        scaled = change / tf.sqrt(tf.gather(square, ids))
        for variable, added in ((table, -scaled), (square, change**2)):
            done.append(
                tf.raw_ops.ResourceScatterAdd(
                    resource=variable.handle, indices=ids, updates=added
                )
            )
    return tf.reduce_sum(weights * error**2), done

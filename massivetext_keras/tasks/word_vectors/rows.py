"""Vectors that are looked up and changed: of words, or of words and their parts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# Changes of one row that are made at once: of more, the mean so many times.
MOST = 8.0


class Rows:
    """A vector for each id.

    Args:
        variable: float32 [ids, d].
    """

    def __init__(self, variable: tf.Variable):
        self.variable = variable

    def find(self, ids: tf.Tensor) -> tf.Tensor:
        """float32 [..., d]."""
        return tf.gather(self.variable, ids)

    def add(self, ids: tf.Tensor, changes: tf.Tensor) -> tf.Operation:
        """Adds changes [..., d] to the vectors of ids, which may repeat.

        The changes of a frequent word were all computed from the same vector, where
        one after another each would have found it nearer to its aim: their sum goes too
        far. Beyond `MOST`, as many times their mean is added.
        """
        ids = tf.reshape(ids, [-1])
        changes = tf.reshape(changes, [-1, self.variable.shape[-1]])
        _, places, counts = tf.unique_with_counts(ids)
        counts = tf.cast(tf.gather(counts, places), tf.float32)
        return tf.raw_ops.ResourceScatterAdd(
            resource=self.variable.handle,
            indices=ids,
            updates=changes * (MOST / tf.maximum(counts, MOST))[:, None],
        )

    def words(self) -> np.ndarray:
        """The vectors of the words, float32 [words, d]."""
        return self.variable.numpy()


class PartRows(Rows):
    """A word's vector is the mean of its own and those of its parts; what it is changed
    by, all of them are, as in fastText (Bojanowski et al., 2017).

    Args:
        variable: float32 [words + buckets, d].
        parts: of each word, its own row first.
    """

    def __init__(self, variable: tf.Variable, parts: Sequence[Sequence[int]]):
        super().__init__(variable)
        self.parts = parts
        with tf.init_scope():
            self._parts = tf.ragged.constant(parts, dtype=tf.int32)

    def find(self, ids):
        rows, places = self._rows(ids)
        found = tf.gather(self.variable, rows)
        means = tf.math.segment_mean(found, places)
        return tf.reshape(means, [*ids.shape, means.shape[-1]])

    def add(self, ids, changes):
        rows, places = self._rows(ids)
        changes = tf.reshape(changes, [-1, changes.shape[-1]])
        return super().add(rows, tf.gather(changes, places))

    def _rows(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The rows of all parts of words, and which word each is of."""
        parts = tf.gather(self._parts, tf.reshape(ids, [-1]))
        return parts.values, parts.value_rowids()

    def words(self):
        table = self.variable.numpy()
        return np.stack([table[rows].mean(0) for rows in self.parts])


def parts_of(
    word: str, min_ngram: int, max_ngram: int, buckets: int, words: int
) -> list[int]:
    """Rows of the parts of a word, < and > being its ends.

    >>> len(parts_of("cat", 3, 4, 100, 10)), parts_of("a", 4, 4, 100, 10)
    (5, [])
    """
    marked = f"<{word}>"
    return [
        words + zlib.crc32(marked[start : start + size].encode()) % buckets
        for size in range(min_ngram, max_ngram + 1)
        for start in range(len(marked) - size + 1)
        if size < len(marked)
    ]

"""Vectors that are looked up and changed: of words, or of words and their parts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf


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

    def add(
        self, ids: tf.Tensor, changes: tf.Tensor, curvature: tf.Tensor, rate: tf.Tensor
    ) -> tf.Operation:
        """Takes a step, `rate` times the changes of ids, which may repeat.

        The changes of a frequent word are all computed from one vector; made one after
        another, each would have found it nearer to its aim. So a step is no longer than
        half the way to where the sum of the slopes, falling by the curvature, would be
        0; the other half is for the vectors that it is multiplied by.

        Args:
            ids: int32 [...].
            changes: float32 [..., d], slopes.
            curvature: float32 [...], by how much a slope falls at the most on the way.
            rate: scalar.
        """
        ids, curvature = tf.reshape(ids, [-1]), tf.reshape(curvature, [-1])
        changes = tf.reshape(changes, [-1, self.variable.shape[-1]])
        unique, places = tf.unique(ids)
        total = tf.math.unsorted_segment_sum(curvature, places, tf.size(unique))
        step = rate / tf.maximum(2.0 * rate * total, 1.0)
        return tf.raw_ops.ResourceScatterAdd(
            resource=self.variable.handle,
            indices=ids,
            updates=changes * tf.gather(step, places)[:, None],
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

    def add(self, ids, changes, curvature, rate):
        rows, places = self._rows(ids)
        changes = tf.reshape(changes, [-1, self.variable.shape[-1]])
        curvature = tf.gather(tf.reshape(curvature, [-1]), places)
        return super().add(rows, tf.gather(changes, places), curvature, rate)

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

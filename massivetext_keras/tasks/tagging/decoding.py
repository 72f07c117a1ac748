"""Tags of words as spans, inside the graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from massivetext_keras.support.tags import SCHEMES, tag_names
from massivetext_keras.support.values import choose


class TagSet:
    """The tags of a scheme: O, and for each label one for each place in a span.

    Args:
        labels: of spans.
        scheme: "BIO" or "BIOES", which also tells the last word of a span from the
            others, and a span of one word.

    Raises:
        ValueError: the scheme is unknown.

    >>> TagSet(["PER", "LOC"]).names
    ('O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC')
    """

    def __init__(self, labels: Sequence[str], scheme: str = "BIO"):
        prefixes = choose("scheme", scheme, SCHEMES)
        self.labels, self.names = tuple(labels), tag_names(labels, scheme)
        self.ids = {name: i for i, name in enumerate(self.names)}
        places = np.arange(len(self.names)) - 1
        self._label = np.where(places < 0, -1, places // len(prefixes))
        prefix = np.array([name[0] for name in self.names])
        self._begins = np.isin(prefix, ["B", "S"])
        self._closes = np.isin(prefix, ["E", "S"])

    def allowed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """May a tag be first, follow another (row, then column), be last; bool.

        >>> first, pairs, last = TagSet(["X"], "BIOES").allowed()
        >>> first.astype(int).tolist(), last.astype(int).tolist()
        ([1, 1, 0, 0, 1], [1, 0, 0, 1, 1])
        """
        outside = self._label < 0
        free = outside | self._begins  # of what is before
        done = outside | self._closes
        if not self._closes.any():  # BIO: a span may end with any tag
            done = np.ones_like(done)
            goes_on = self._label[:, None] == self._label[None]
            return free, free[None] | goes_on, done
        same = (self._label[:, None] == self._label[None]) & ~done[:, None]
        return free, np.where(done[:, None], free[None], same & ~free[None]), done

    def spans(
        self,
        tags: tf.RaggedTensor,
        probabilities: tf.RaggedTensor,
        starts: tf.RaggedTensor,
        ends: tf.RaggedTensor,
    ) -> tuple[tf.RaggedTensor, ...]:
        """The spans that tags say; one that cannot follow the one before it begins one,
        as conlleval has it.

        Args:
            tags: int32 [n, (words)].
            probabilities: float32 [n, (words)], of each word's tag.
            starts, ends: int32 [n, (words)], of the words.

        Returns:
            starts, ends, numbers of labels, int32, and scores, the means of the
            probabilities, float32, all [n, (spans)].
        """
        begins, closes, label = (
            tf.gather(tf.constant(table), tags.flat_values)
            for table in (self._begins, self._closes, self._label.astype(np.int32))
        )
        rows = tags.value_rowids()
        inside = label >= 0
        before = tf.concat([[-1], rows], axis=0)[:-1] == rows  # of the same text

        def last(values, nothing):
            values = tf.concat([[nothing], values], axis=0)[:-1]
            return tf.where(before, values, nothing)

        new = inside & (begins | last(closes, False) | (last(label, -1) != label))
        number = tf.cumsum(tf.cast(new, tf.int32)) - 1
        of_spans = tf.boolean_mask(number, inside)

        def ragged(values):
            return tf.RaggedTensor.from_value_rowids(
                values, tf.boolean_mask(rows, new), nrows=tags.nrows(), validate=False
            )

        end = tf.math.segment_max(tf.boolean_mask(ends.flat_values, inside), of_spans)
        score = tf.math.segment_mean(
            tf.boolean_mask(probabilities.flat_values, inside), of_spans
        )
        return (
            ragged(tf.boolean_mask(starts.flat_values, new)),
            ragged(end),
            ragged(tf.boolean_mask(label, new)),
            ragged(score),
        )

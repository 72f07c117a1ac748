"""A backoff model in the graph: strings in, log-probabilities out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.ngram.counting import BEGIN, END, UNKNOWN
from massivetext_keras.ngram.tables import BackoffModel
from massivetext_keras.tasks.ngram.units import Units


class ScoringGraph(tf.Module):
    """Scores texts as `NgramLM.score` does.

    Args:
        model: whose tables it has as variables.
        units: how texts are cut.
        pieces: its units by id, from the first that is not special.
    """

    def __init__(self, model: BackoffModel, units: Units, pieces: Sequence[Any]):
        super().__init__()
        self.units = units
        self.size = model.vocabulary_size
        self.tables = [
            tuple(tf.Variable(np.asarray(array), trainable=False) for array in table)
            for table in model.tables
        ]
        kind = tf.string if isinstance(pieces[0], bytes) else tf.int64
        first = self.size - len(pieces)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(pieces, kind), tf.range(first, self.size, dtype=tf.int64)
            ),
            tf.constant(UNKNOWN, tf.int64),
        )
        self.tokenizer = getattr(units, "tokenizer", None)  # its variables
        self.score = tf.function(
            self._score, input_signature=[tf.TensorSpec([None], tf.string, "text")]
        )

    def _score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        sequences, rows = self._sequences(text)
        pieces = self.units.split_in_graph(sequences)
        ids = self.ids.lookup(tf.cast(pieces, self.ids.key_dtype))
        count = ids.nrows(tf.int64)
        mark = tf.ones([count, 1], tf.int64)
        stream = tf.concat([mark * BEGIN, ids, mark * END], axis=1)
        found = self._log10(tf.cast(stream.values, tf.int64))
        rows = tf.gather(rows, stream.value_rowids())
        sums = tf.math.unsorted_segment_sum(found, rows, tf.size(text))
        return {"log_probability": sums * math.log(10)}

    def _sequences(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The sequences of texts that are not empty, and the row of each."""
        rows = tf.range(tf.size(text))
        if self.units.by_line:
            lines = tf.strings.split(text, "\n")
            text, rows = lines.values, tf.gather(rows, lines.value_rowids())
        bare = tf.strings.regex_replace(text, r"[\s\v\p{Z}\x1c-\x1f\x{85}]+", "")
        kept = tf.strings.length(bare) > 0
        return tf.boolean_mask(text, kept), tf.boolean_mask(rows, kept)

    def _log10(self, words: tf.Tensor) -> tf.Tensor:
        """As `BackoffModel.score`; 0 where a sequence begins."""
        predicted = words != BEGIN
        found = tf.gather(self.tables[0][1], words)
        ends = words
        for shorter, table in zip(self.tables, self.tables[1:], strict=False):
            contexts = tf.concat([[-1], ends[:-1]], axis=0)[: tf.size(words)]
            known = (contexts >= 0) & predicted
            wanted = tf.where(known, contexts * self.size + words, -1)
            places = tf.searchsorted(table[0], wanted, out_type=tf.int64)
            places = tf.minimum(places, tf.size(table[0], tf.int64) - 1)
            ends = tf.where(tf.gather(table[0], places) == wanted, places, -1)
            left = tf.gather(shorter[2], tf.maximum(contexts, 0))
            backed_off = found + tf.where(known, left, 0.0)
            seen = tf.gather(table[1], tf.maximum(ends, 0))
            found = tf.where(ends >= 0, seen, backed_off)
        return tf.where(predicted, found, 0.0)

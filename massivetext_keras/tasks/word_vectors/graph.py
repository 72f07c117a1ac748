"""What word vectors answer, in the graph: strings in, strings out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras.saving.export import Probe, compare, write_saved_model
from massivetext_keras.support.files import check_free
from massivetext_keras.tasks.ngram.units import units_named

_STRINGS = tf.TensorSpec([None], tf.string)
_INTEGER = tf.TensorSpec([], tf.int32)
_TEXTS = ["", "xyzzy", "nothing of it\n北京"]


class AnswerGraph(tf.Module):
    """The answers of `WordVectors`; an unknown word is an InvalidArgumentError.

    Args:
        task: `WordVectors`.
    """

    def __init__(self, task: Any):
        super().__init__()
        self._units = units_named(task.config.units)
        self._lowercase = task.config.lowercase
        self.words = tf.Variable(task.words, trainable=False)
        self.vectors = tf.Variable(task.vectors, trainable=False)
        self.unit = tf.Variable(task.neighbours.unit, trainable=False)
        size = len(task.words)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(task.words), tf.range(size, dtype=tf.int64)
            ),
            tf.constant(-1, tf.int64),
        )

        def graph(function, **specs):
            named = [
                tf.TensorSpec(spec.shape, spec.dtype, name)
                for name, spec in specs.items()
            ]
            return tf.function(function, autograph=False, input_signature=named)

        self.answers = {
            "embed": graph(self._embed, text=_STRINGS),
            "similar": graph(self._similar, word=_STRINGS, k=_INTEGER),
            "analogy": graph(self._analogy, expression=_STRINGS, k=_INTEGER),
        }

    def _embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        if self._lowercase:
            text = tf.strings.lower(text, encoding="utf-8")
        pieces = self._units.split_in_graph(tf.strings.regex_replace(text, "\n", " "))
        ids = self.ids.lookup(pieces)
        known = tf.ragged.boolean_mask(ids, ids >= 0)
        found = tf.gather(self.vectors, known.values)
        sums = tf.math.unsorted_segment_sum(found, known.value_rowids(), tf.size(text))
        count = tf.cast(known.row_lengths(), tf.float32)[:, None]
        return {"embedding": tf.math.divide_no_nan(sums, count)}

    def _similar(self, word: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = self._known(word)
        return self._nearest(tf.gather(self.unit, ids), ids[:, None], k)

    def _analogy(self, expression: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        marked = tf.strings.regex_replace(expression, r"\s+([+\-−])\s+", "\xff\\1")
        terms = tf.strings.split(marked, sep="\xff")
        flat = tf.strings.strip(terms.values)
        minus = tf.strings.regex_full_match(flat, r"[\-−].+")
        later = tf.ragged.range(terms.row_lengths()).values > 0
        word = tf.where(later, tf.strings.regex_replace(flat, r"^[+\-−]\s*", ""), flat)
        ids = self._known(word)
        signs = tf.where(minus & later, -1.0, 1.0)[:, None]
        rows = terms.value_rowids()
        total = tf.math.segment_sum(signs * tf.gather(self.unit, ids), rows)
        without = terms.with_values(ids).to_tensor(-1)
        return self._nearest(tf.math.l2_normalize(total, -1), without, k)

    def _known(self, word: tf.Tensor) -> tf.Tensor:
        ids = self.ids.lookup(word)
        unknown = tf.boolean_mask(word, ids < 0)
        text = tf.strings.reduce_join(unknown, separator=", ")
        check = tf.debugging.Assert(tf.reduce_all(ids >= 0), ["unknown word:", text])
        with tf.control_dependencies([check]):
            return tf.identity(ids)

    def _nearest(
        self, vectors: tf.Tensor, without: tf.Tensor, k: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        scores = tf.matmul(vectors, self.unit, transpose_b=True)
        size = tf.shape(self.unit)[0]
        hidden = tf.reduce_max(tf.one_hot(without, size), axis=1)
        best = tf.math.top_k(scores - 4.0 * hidden, tf.minimum(k, size))
        return {"scores": best.values, "words": tf.gather(self.words, best.indices)}


def export_answers(task: Any, path: str | Path, overwrite: bool = False) -> None:
    """Writes an export, see `WordVectors.export`."""
    check_free(path, overwrite)
    module = AnswerGraph(task)
    word, other = task.words[0], task.words[-1]
    texts = [*_TEXTS, f"{word} {other}"]
    probes = [
        Probe("embed", {"text": texts}, {"embedding": task.embed(texts).tolist()}),
        _probe("similar", "word", word, task.similar(word, 1)),
    ]
    expression = f"{word} - {other} + {word}"
    if answers := task.analogy(expression, 1):
        probes.append(_probe("analogy", "expression", expression, answers))
    write_saved_model(
        path,
        module,
        {**module.answers, "serving_default": module.answers["embed"]},
        {
            "format": "massivetext_keras export",
            "task": "WordVectors",
            "options": task.config.to_dict(),
        },
        lambda signatures: compare(signatures, probes),
        overwrite,
    )


def _probe(signature: str, name: str, asked: str, answers: list) -> Probe:
    scores = [[score for _, score in answers]]
    return Probe(signature, {name: [asked], "k": len(answers)}, {"scores": scores})

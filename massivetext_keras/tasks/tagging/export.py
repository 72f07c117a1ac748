"""What an export of a tagger offers, and the questions it is checked with."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.generation.decoding import lead_of
from massivetext_keras.saving.export import Probe, signature
from massivetext_keras.support.rounding import ROUNDING
from massivetext_keras.tokenizers.base import valid_utf8

_SURE = 3 * ROUNDING

_TEXTS = [
    "",
    "Angela Merkel visited Paris.",
    "安格拉·默克尔访问了巴黎 \t\n👩\u200d🚀 e\u0301",
    "Straßen in München " * 40,
]


def signatures(task) -> dict:
    text = tf.TensorSpec([None], tf.string, "text")
    places = [
        tf.TensorSpec([None], tf.int32, name)
        for name in ("start", "end")
        if task.predicate
    ]

    def tag(text, *predicate):
        places = tf.stack(predicate, axis=1) if predicate else None
        if predicate:
            size = tf.strings.length(valid_utf8(text), unit="UTF8_CHAR")[:, None]
            inside = (places >= 0) & (places <= size) & (places[:, :1] < places[:, 1:])
            wanted = "start and end must be those of a part of the text"
            places = checked(places, inside, wanted)
        starts, ends, labels, scores = task.tag_graph(text, places)
        parts = tf.strings.substr(
            tf.gather(valid_utf8(text), starts.value_rowids()),
            starts.flat_values,
            ends.flat_values - starts.flat_values,
            unit="UTF8_CHAR",
        )
        names = tf.gather(tf.constant(task.labels), labels.flat_values)
        return {
            "texts": starts.with_flat_values(parts).to_tensor(""),
            "labels": starts.with_flat_values(names).to_tensor(""),
            "starts": starts.to_tensor(-1),
            "ends": ends.to_tensor(-1),
            "scores": scores.to_tensor(0.0),
            "counts": tf.cast(starts.row_lengths(), tf.int32),
        }

    both = signature(tag, text, *places)
    return {"serving_default": both, "tag": both}


def probes(task) -> list[Probe]:
    """Questions to the export of a `TokenClassifier`, with the model's own answers: of
    texts where no two tags of a word are equally probable but for rounding."""
    texts = _TEXTS[1:] if task.predicate else _TEXTS
    predicate = [(0, 3)] * len(texts) if task.predicate else None
    sure = _sureness(task, texts, predicate)
    texts = [text for text, by in zip(texts, sure, strict=True) if abs(by) > _SURE]
    if not texts:
        return []
    inputs: dict[str, Any] = {"text": texts}
    if task.predicate:
        predicate = predicate[: len(texts)]
        inputs |= {"start": [0] * len(texts), "end": [3] * len(texts)}
    found = task.tag(inputs["text"], predicate)
    counts = np.array([len(spans) for spans in found], np.int32)

    def column(name: str, filler, dtype):
        values = np.full([len(found), max(counts)], filler, dtype)
        for row, spans in zip(values, found, strict=True):
            row[: len(spans)] = [getattr(span, name) for span in spans]
        return values

    outputs = {
        "texts": column("text", "", object),
        "labels": column("label", "", object),
        "starts": column("start", -1, np.int32),
        "ends": column("end", -1, np.int32),
        "scores": column("score", 0.0, np.float32),
        "counts": counts,
    }
    return [Probe("tag", inputs, outputs)]


def _sureness(task, texts: list[str], predicates: list | None) -> np.ndarray:
    """By how much the tag of every word is more probable than the next best at the
    least, as a share, float32 [n]; below 0 where a chain of tags takes another than the
    best of a word."""
    places = None if predicates is None else tf.constant(predicates)
    _, tags, probabilities = task.tagged(tf.constant(texts), places)
    lead = lead_of(tags.flat_values, probabilities.flat_values)
    best = tf.reduce_max(probabilities.flat_values, axis=-1)
    return tf.reduce_min(tags.with_flat_values(lead / best), axis=1).numpy()

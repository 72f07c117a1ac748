"""The signatures of an exported text classifier."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.saving.export import Probe, signature
from massivetext_keras.text.examples import LabeledText

TEXT = tf.TensorSpec([None], tf.string, "text")
SECOND = tf.TensorSpec([None], tf.string, "second")


def signatures(task) -> dict:
    """`classify` and `classify_pairs` (text, second), both -> labels, scores, classes.

    `labels` is string [n]; several are joined by "|", and of a regression it is the
    number. `scores` is float32 [n, classes], and `classes`, string [n, classes], says
    whose they are.

    Args:
        task: a `TextClassifier`.
    """

    def classify(*texts):
        logits, _ = task.logits_graph(*texts)
        scores = task.labelling.scores(logits, task.temperature)
        classes = tf.constant(task.labels or ("",))[None]
        return {
            "labels": task.labelling.names(scores),
            "scores": scores,
            "classes": tf.tile(classes, [tf.shape(scores)[0], 1]),
        }

    one = signature(lambda text: classify(text), TEXT)
    two = signature(lambda text, second: classify(text, second), TEXT, SECOND)
    return {"serving_default": one, "classify": one, "classify_pairs": two}


def probes(task) -> list[Probe]:
    """Questions to an export of a `TextClassifier`, with its own answers."""
    texts = ["", "Once upon a time", "Über 中文 🙂", "a " * 600]
    found = []
    for name, second in (("classify", None), ("classify_pairs", texts[::-1])):
        inputs = {"text": texts} | ({} if second is None else {"second": second})
        pairs = zip(texts, second or [None] * len(texts), strict=True)
        logits = task.logits_of([LabeledText(a, None, b) for a, b in pairs])
        scores = task.labelling.scores(tf.constant(logits), task.temperature).numpy()
        found.append(Probe(name, inputs, {"scores": scores}))
    return found

"""What an exported masked language model answers, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.export import Probe, signature

_TOP_K = 5


def signatures(task) -> dict[str, Callable]:
    """The signatures of a `MaskedLM` by name."""
    text = tf.TensorSpec([None], tf.string, "text")
    top_k = tf.TensorSpec([], tf.int32, "top_k")
    default = tf.constant(min(_TOP_K, task.fillers.sum()), tf.int32)

    def fill_mask(text, top_k=default):
        token, score, filled = task.fill_graph(text, top_k)
        return {"token": token, "score": score, "filled": filled}

    def best(text):
        return fill_mask(text)

    def score(text):
        return {"log_probability": task.score_graph(text)}

    return {
        "serving_default": signature(best, text),
        "fill_mask": signature(fill_mask, text, top_k),
        "score": signature(score, text),
    }


def probes(task) -> list[Probe]:
    """Questions to the export of a `MaskedLM`, with the model's own answers."""
    mask, count = task.mask_token, 2
    gaps = [mask, f"Paris is the {mask} of France.", f"中文 {mask}", f"Un{mask}!"]
    rows = task.fill_mask(gaps, top_k=count)
    fields = {"token": "token", "score": "score", "filled": "text"}
    fills = {
        name: [[getattr(fill, field) for fill in row] for row in rows]
        for name, field in fields.items()
    }
    texts = ["", "Once upon a time", "Über", "a" * 50]
    return [
        Probe("fill_mask", {"text": gaps, "top_k": count}, fills),
        Probe("score", {"text": texts}, {"log_probability": task.score(texts)}),
    ]

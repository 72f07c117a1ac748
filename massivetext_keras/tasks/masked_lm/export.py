"""What an exported masked language model answers, and how it is checked."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.saving.export import Probe, signature
from massivetext_keras.support.rounding import ROUNDING

_TOP_K = 5
_MOST_TIES = 20


def signatures(task) -> dict[str, Callable]:
    """The signatures of a `MaskedLM` by name."""
    text = tf.TensorSpec([None], tf.string, "text")
    top_k = tf.TensorSpec([], tf.int32, "top_k")
    most = int(task.fillers.sum())
    default = tf.constant(min(_TOP_K, most), tf.int32)

    def fill_mask(text, top_k=default):
        right = (top_k >= 1) & (top_k <= most)
        top_k = checked(top_k, right, f"top_k must be between 1 and {most}")
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
    mask, most = task.mask_token, int(task.fillers.sum())
    gaps = [mask, f"Paris is the {mask} of France.", f"中文 {mask}", f"Un{mask}!"]
    count = min(2, most)
    rows = task.fill_mask(gaps, top_k=min(_MOST_TIES, most))
    ranked = [[_as_good(row, fill) for fill in row[:count]] for row in rows]
    fields = {"token": "token", "score": "score", "filled": "text"}
    fills = {
        name: [
            [frozenset(getattr(fill, field) for fill in fills) for fills in row]
            for row in ranked
        ]
        for name, field in fields.items()
    }
    texts = ["", "Once upon a time", "Über", "a" * 50]
    return [
        Probe("fill_mask", {"text": gaps, "top_k": count}, fills),
        Probe("score", {"text": texts}, {"log_probability": task.score(texts)}),
    ]


def _as_good(fills, wanted) -> list:
    """The fills that are as probable as one, but for rounding."""
    close = functools.partial(math.isclose, wanted.score, rel_tol=3 * ROUNDING)
    return [fill for fill in fills if close(fill.score)]

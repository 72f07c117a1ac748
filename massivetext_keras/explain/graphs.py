"""Outputs and gradients of rows: one graph for all lengths, rows in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.explain.labels import labels_output
from massivetext_keras.explain.questions import Question
from massivetext_keras.explain.texts import cosine, log_probability
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.models.backbone import VECTORS
from massivetext_keras.support.threads import TRACING, made_once

TOKENS_AT_ONCE = 2048
NO_VECTOR = -1  # as an id: a vector of zeros


class Ask(NamedTuple):
    """A row to ask a task about.

    Attributes:
        question: whose row it is.
        ids: int32 [length], in place of the question's own.
        base: int32 [length], where the straight path to `ids` begins; see `gradients`.
        share: how far on that path, from 0 to 1.
    """

    question: Question
    ids: np.ndarray
    base: np.ndarray | None = None
    share: float = 1.0


def scores(task, asked: Sequence[Ask]) -> np.ndarray:
    """The output for each row, computed in float32.

    Returns:
        float32 [rows].
    """
    found = np.zeros(len(asked), np.float32)
    for some, features, given in _batches(task, asked):
        graph = _graphs(task, asked[some[0]].question)[0]
        found[some] = graph(features, given).numpy()
    return found


def gradients(task, asked: Sequence[Ask]) -> list[np.ndarray]:
    """What moving from the base to the ids would change, were the output linear.

    At the point `base + share (ids - base)` between the embeddings of both, the
    gradient of the output by each token's vector, times the difference of its vectors.

    Args:
        task: that is asked.
        asked: rows with a base; `NO_VECTOR` in it is a vector of zeros.

    Returns:
        float32 [length] for each row.
    """
    found: list = [None] * len(asked)
    for some, features, given in _batches(task, asked):
        question = asked[some[0]].question
        base = _padded([asked[i].base for i in some], 0)
        share = np.array([asked[i].share for i in some], np.float32)
        graph = _graphs(task, question)[1]
        parts = graph(features, given, base, share).numpy()
        for i, part in zip(some, parts, strict=True):
            found[i] = part[: len(asked[i].ids)]
    return found


def _batches(task, asked: Sequence[Ask]) -> Iterator[tuple[list[int], dict, dict]]:
    """Numbers of rows of like length, their features and what is given, padded."""
    kinds: dict[tuple, list[int]] = {}
    for i, ask in enumerate(asked):
        question = ask.question
        given = ((name, x.shape) for name, x in question.given.items())
        kind = question.output, tuple(question.features), *given
        kinds.setdefault(kind, []).append(i)
    pad = task.tokenizer.pad_id or 0
    for numbers in kinds.values():
        numbers.sort(key=lambda i: len(asked[i].ids))
        while numbers:
            # Lengths grow, so that the first and longest of what is taken is the last.
            most = max(TOKENS_AT_ONCE // len(asked[numbers[-1]].ids), 1)
            some, numbers = numbers[-most:], numbers[:-most]
            yield some, *_stacked([asked[i] for i in some], pad)


def _stacked(asked: Sequence[Ask], pad: int) -> tuple[dict, dict]:
    """Features and what is given of some rows, each with an axis of rows before it."""
    question = asked[0].question
    features = {}
    for name in question.features:
        rows = [x.question.features[name] for x in asked]
        if name == f"{question.side}token_ids":
            rows = [x.ids for x in asked]
        features[name] = _padded(rows, pad if name.endswith("token_ids") else 0)
    names = question.given
    return features, {k: np.stack([x.question.given[k] for x in asked]) for k in names}


def _padded(rows: Sequence[np.ndarray], value: int) -> np.ndarray:
    """int32 [rows, longest]."""
    found = np.full([len(rows), max(map(len, rows))], value, np.int32)
    for row, values in zip(found, rows, strict=True):
        row[: len(values)] = values
    return found


def _graphs(task, question: Question) -> tuple[Callable, Callable]:
    """That of the output, and that of its gradients, made once for a task's options."""
    given = tuple((k, x.ndim, x.dtype.name) for k, x in question.given.items())
    names = tuple(question.features)
    options = repr(task.chosen())
    return _explaining_graphs(
        task, question.output, names, given, question.side, options
    )


@made_once
def _explaining_graphs(
    task, output, names, given, side, options
) -> tuple[Callable, Callable]:
    specs = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
    others = {k: tf.TensorSpec([None] * (n + 1), dtype) for k, n, dtype in given}
    backbone = task.backbone
    tokens = getattr(backbone, "encoder_tokens", backbone.tokens)

    def value(features, given):
        if output == "cosine":
            return cosine(task, features, given["other"])
        if output == "log_probability":
            return log_probability(task, features, given["picks"])
        return labels_output(task, features, given["picks"], output)

    def vectors(ids):
        found = tokens(tf.maximum(ids, 0))
        return found * tf.cast(ids >= 0, found.dtype)[..., None]

    @tf.function(input_signature=[specs, others], autograph=False)
    def outputs(features, given):
        with in_float32(task):
            return value(features, given)

    @tf.function(
        input_signature=[
            specs,
            others,
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.float32),
        ],
        autograph=False,
    )
    def path(features, given, base, share):
        with in_float32(task):
            begin = vectors(base)
            way = vectors(features[f"{side}token_ids"]) - begin
            here = begin + share[:, None, None] * way
            with tf.GradientTape() as tape:
                tape.watch(here)
                rows = {**features, f"{side}{VECTORS}": here}
                total = tf.reduce_sum(value(rows, given))
            return tf.reduce_sum(tape.gradient(total, here) * way, axis=-1)

    with TRACING:
        return outputs, path

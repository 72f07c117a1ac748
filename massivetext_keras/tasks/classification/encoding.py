"""Texts and pairs of texts as rows of ids, for tasks that label them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.text.examples import LabeledText
from massivetext_keras.text.framing import (
    framed,
    joined,
    max_text_tokens,
    separator_ids,
    utf8,
)

logger = logging.getLogger(__name__)

_TEXTS_AT_ONCE = 1024


class Rows(NamedTuple):
    """Texts as an encoder reads them.

    Attributes:
        ids: int32 [length] of each text.
        segments: of each id, 0, or 1 in the second text of a pair.
        cut: how many texts did not fit.
    """

    ids: list[np.ndarray]
    segments: list[np.ndarray]
    cut: int


def rows_graph(
    tokenizer, max_length: int, texts: tf.Tensor, second: tf.Tensor | None = None
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.Tensor]:
    """Framed texts, or joined pairs of them, inside a graph.

    Args:
        tokenizer: strings to ids.
        max_length: tokens of a row; what does not fit is left out.
        texts, second: string [batch].

    Returns:
        ids and segments, int32 [batch, (length)], and bool [batch]: not all fitted.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> ids, _, cut = rows_graph(ByteTokenizer(), 4, tf.constant(["abcd", ""]))
    >>> ids.to_list(), cut.numpy().tolist()
    ([[1, 100, 101, 2], [1, 2]], [True, False])
    """
    ids, places = tokenizer.tokenize(texts), max_text_tokens(tokenizer, max_length)
    sizes = ids.row_lengths()
    if second is None:
        rows = framed(tokenizer, ids[:, :places])
        return rows, tf.zeros_like(rows), sizes > places
    others = tokenizer.tokenize(second)
    rows, segments = joined(tokenizer, ids, others, max_length)
    places -= len(separator_ids(tokenizer))
    return rows, segments, sizes + others.row_lengths() > places


def encode_labeled(tokenizer, examples: Sequence[LabeledText], max_length: int) -> Rows:
    """The rows of examples; see `rows_graph`.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> examples = [LabeledText("a", None, "b"), LabeledText("c")]
    >>> [row.tolist() for row in encode_labeled(ByteTokenizer(), examples, 8).ids]
    [[1, 100, 2, 101, 2], [1, 102, 2]]
    """
    ids: list[Any] = [None] * len(examples)
    segments: list[Any] = [None] * len(examples)
    cut = 0
    for places, columns in singles_and_pairs(examples):
        for first in range(0, len(places), _TEXTS_AT_ONCE):
            some = slice(first, first + _TEXTS_AT_ONCE)
            texts = (tf.constant([*map(utf8, column[some])]) for column in columns)
            *rows, too_long = rows_graph(tokenizer, max_length, *texts)
            cut += int(np.sum(too_long))
            for whole, ragged in zip((ids, segments), rows, strict=True):
                ends = ragged.row_splits.numpy()[1:-1]
                parts = np.split(ragged.flat_values.numpy(), ends)
                for place, part in zip(places[some], parts, strict=True):
                    whole[place] = part
    return Rows(ids, segments, cut)


def singles_and_pairs(
    examples: Sequence[LabeledText],
) -> Iterator[tuple[list[int], list[list[str]]]]:
    """The single texts, then the pairs: which they are, and their strings.

    >>> list(singles_and_pairs([LabeledText("a", None, "b"), LabeledText("c")]))
    [([1], [['c']]), ([0], [['a'], ['b']])]
    """
    for paired in (False, True):
        places = [i for i, x in enumerate(examples) if (x.second is None) != paired]
        if places:
            names = ["text", "second"] if paired else ["text"]
            yield places, [[getattr(examples[i], n) for i in places] for n in names]


def warn_of_cut(cut: int, count: int, max_length: int) -> None:
    """Says how many of so many texts were too long for a row, if any was."""
    if cut:
        logger.warning(
            "%s of %s texts have more than %s tokens: what comes after is not read",
            f"{cut:,}",
            f"{count:,}",
            f"{max_length:,}",
        )

"""Texts asked about in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.text.framing import utf8


def in_batches(
    function: Callable, texts: Sequence[str], *columns: Sequence, at_once: int = 32
) -> list[np.ndarray]:
    """Asks a graph about texts, those of like length together: little is padding.

    Strings are sent as `utf8` spells them.

    Args:
        function: string [n], and the same rows of the columns, -> tensors whose first
            axis is n.
        texts: at least one.
        columns: more about each text.
        at_once: texts in a call.

    Returns:
        The tensors for all texts, in their order; an array of objects, a row each,
        where calls gave rows of other lengths.

    >>> in_batches(lambda x: [tf.strings.length(x)], ["abc", "", "a"], at_once=2)
    [array([3, 0, 1], dtype=int32)]
    """
    order, parts = [], []
    for some in of_like_length(texts, at_once):
        rows = ([_sent(column[i]) for i in some] for column in (texts, *columns))
        parts.append(function(*map(tf.constant, rows)))
        order += some
    places = np.argsort(order)
    return [_joined(part)[places] for part in zip(*parts, strict=True)]


def of_like_length(
    texts: Sequence[str | bytes], at_once: int = 32
) -> Iterator[list[int]]:
    """The numbers of texts, some at a time, those of like length together.

    >>> list(of_like_length(["abc", "", "a"], at_once=2))
    [[1, 2], [0]]
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for first in range(0, len(order), at_once):
        yield order[first : first + at_once]


def _joined(parts: Sequence[Any]) -> np.ndarray:
    if len({tuple(part.shape[1:]) for part in parts}) == 1:
        return np.concatenate(parts)
    rows = [row for part in parts for row in np.asarray(part)]
    return np.fromiter(rows, object, len(rows))


def _sent(value: Any) -> Any:
    return utf8(value) if isinstance(value, str) else value

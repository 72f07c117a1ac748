"""What a method says of a text: a score for each of its tokens, or of its words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.text.framing import utf8
from massivetext_keras.text.words import word_offsets


class Explanation(NamedTuple):
    """How much each token of a text has to do with an output of a task.

    Attributes:
        text: that was read.
        method: that made the scores, see `METHODS`.
        target: what is explained, such as the name of a class.
        output_name: what `output` is: a logit, a probability, and so on.
        tokens: parts of the text; special tokens are not among them.
        offsets: int [tokens, 2], the first character of each and the one behind it.
        scores: float32 [tokens], in units of the output; of attention weights.
        base: the output where all tokens are hidden (None: the method asks for none).
        output: of the text as it is.

    >>> from massivetext_keras.explain.explanation import Explanation
    >>> found = Explanation(
    ...     "un do it",
    ...     "occlusion",
    ...     "ham",
    ...     "logit",
    ...     ("u", "n", "do", "it"),
    ...     np.array([[0, 1], [1, 2], [3, 5], [6, 8]]),
    ...     np.array([1.0, 2.0, -4.0, 0.5], np.float32),
    ...     0.0,
    ...     -0.5,
    ... )
    >>> found.words().tokens, found.words().scores.tolist()
    (('un', 'do', 'it'), [3.0, -4.0, 0.5])
    >>> found.gap
    0.0
    """

    text: str
    method: str
    target: str
    output_name: str
    tokens: tuple[str, ...]
    offsets: np.ndarray
    scores: np.ndarray
    base: float | None
    output: float

    @property
    def gap(self) -> float | None:
        """By how much the scores miss the difference of output and base (completeness;
        Sundararajan et al., 2017); None without a base."""
        if self.base is None:
            return None
        return float(self.output - self.base - self.scores.sum())

    def words(self) -> Explanation:
        """The same by words, each with the sum of its tokens' scores."""
        groups, offsets = by_word(self.text, self.offsets)
        count = len(offsets)
        scores = np.bincount(groups, self.scores, minlength=count).astype(np.float32)
        tokens = tuple(self.text[start:end] for start, end in offsets)
        return self._replace(tokens=tokens, offsets=offsets, scores=scores)

    def order(self) -> np.ndarray:
        """Numbers of the tokens, that with the highest score first; int [tokens]."""
        return np.argsort(-self.scores, kind="stable")


def by_word(text: str, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which word each token is of.

    A token of two words is of the first of them, and one of none, such as a space, a
    word of its own.

    Args:
        text: of the tokens.
        offsets: int [tokens, 2], in characters.

    Returns:
        int [tokens], numbers of words from 0 on, none left out; and int [words, 2],
        their offsets.

    >>> [
    ...     x.tolist()
    ...     for x in by_word("a cat", np.array([[0, 1], [1, 2], [2, 4], [4, 5]]))
    ... ]
    [[0, 1, 2, 2], [[0, 1], [1, 2], [2, 5]]]
    """
    starts, ends = (x[0].numpy() for x in word_offsets(tf.constant([utf8(text)])))
    groups: list[int] = []
    found: list[tuple[int, int]] = []
    known: dict[int, int] = {}
    for start, end in offsets.tolist():
        word = int(np.searchsorted(ends, start, side="right"))
        if word >= len(starts) or starts[word] >= max(end, start + 1):
            groups.append(len(found))
            found.append((start, end))
            continue
        if word not in known:
            known[word] = len(found)
            found.append((int(starts[word]), int(ends[word])))
        groups.append(known[word])
    return np.array(groups, int), np.array(found, int).reshape(-1, 2)

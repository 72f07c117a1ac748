"""Words and their vectors: which are near to one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from massivetext_keras.support.values import UnknownName, nearest

_SIGNS = re.compile(r"\s+([+\-−])\s+")
_ROWS = 1024  # of questions that are answered at a time


class Neighbours:
    """Answers by the cosines of vectors.

    Args:
        words: each once.
        vectors: float32 [words, d].
        other: gives the vector of a word that is not among them, or None.

    >>> vectors = np.eye(3)[[0, 0, 1]] + 0.1
    >>> near = Neighbours(["cat", "dog", "sun"], vectors)
    >>> near.similar("cat", 1)
    [('dog', 1.0)]
    >>> near.doesnt_match(["cat", "dog", "sun"])
    'sun'
    """

    def __init__(
        self,
        words: Sequence[str],
        vectors: np.ndarray,
        other: Callable[[str], np.ndarray | None] = lambda word: None,
    ):
        self.words = words
        self.ids = {word: i for i, word in enumerate(words)}
        self.unit = _unit(np.asarray(vectors, np.float32))
        self._other = other

    def vector(self, word: str) -> np.ndarray:
        """The vector of length 1 of a word.

        Raises:
            UnknownName: it has none; names the nearest word.
        """
        if word in self.ids:
            return self.unit[self.ids[word]]
        found = self._other(word)
        if found is None:
            raise UnknownName(f"unknown word {word!r}: {nearest(word, self.words)}")
        return _unit(found[None])[0]

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words."""
        return float(self.vector(one) @ self.vector(other))

    def similar(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The words that are nearest to a word, and their cosines."""
        return self._nearest(self.vector(word), {word}, k)

    def analogy(self, expression: str, k: int = 10) -> list[tuple[str, float]]:
        """The words that are nearest to a sum of words, but for these themselves
        (3CosAdd; Mikolov et al., 2013).

        Args:
            expression: such as "Paris - France + Italy".
            k: words.

        Raises:
            UnknownName: a word has no vector.
            ValueError: a word is missing.
        """
        terms = terms_of(expression)
        total = sum(sign * self.vector(word) for sign, word in terms)
        return self._nearest(_unit(total[None])[0], {word for _, word in terms}, k)

    def doesnt_match(self, words: Iterable[str]) -> str:
        """The word that is farthest from the mean of all.

        Raises:
            ValueError: there are no words.
        """
        words = list(words)
        if not words:
            raise ValueError("there are no words")
        vectors = np.stack([self.vector(word) for word in words])
        return words[int(np.argmin(vectors @ vectors.mean(0)))]

    def fourth_words(self, questions: Sequence[Sequence[str]], most: int) -> list[str]:
        """What is to the third word as the second is to the first.

        Args:
            questions: of three words, all known.
            most: only so many of the first words are answers.
        """
        unit, answers = self.unit[:most], []
        for start in range(0, len(questions), _ROWS):
            ids = np.array(
                [[self.ids[x] for x in row] for row in questions[start : start + _ROWS]]
            )
            a, b, c = (self.unit[ids[:, i]] for i in range(3))
            scores = (b - a + c) @ unit.T
            rows, columns = np.nonzero(ids < most)
            scores[rows, ids[rows, columns]] = -np.inf
            answers += [self.words[i] for i in scores.argmax(1)]
        return answers

    def _nearest(self, vector, without: set[str], k: int) -> list[tuple[str, float]]:
        if k < 1:
            raise ValueError(f"k must be positive, got {k}")
        scores = self.unit @ vector
        best = np.argsort(-scores, kind="stable")[: k + len(without)]
        found = [(self.words[i], float(scores[i])) for i in best]
        return [(word, score) for word, score in found if word not in without][:k]


def terms_of(expression: str) -> list[tuple[int, str]]:
    """The words of a sum, with their signs.

    >>> terms_of("Paris - France + New-York")
    [(1, 'Paris'), (-1, 'France'), (1, 'New-York')]
    """
    first, *rest = _SIGNS.split(expression.strip())
    terms = [(1, first.strip())]
    for sign, word in zip(rest[::2], rest[1::2], strict=True):
        terms.append((1 if sign == "+" else -1, word.strip()))
    if not all(word for _, word in terms):
        raise ValueError(f"{expression!r}: give words, as in 'Paris - France + Italy'")
    return terms


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)

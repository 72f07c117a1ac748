"""A backoff model in sorted arrays: how probable each word is after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from massivetext_keras.ngram.counting import BEGIN

NEVER = -100.0  # log10 of what has no probability


class Table(NamedTuple):
    """The n-grams of one length, see `Counts` for their keys.

    Attributes:
        keys: int64 [types], rising.
        log_prob: float32 [types], log10 p(last word | the others).
        backoff: float32 [types], log10 of what is left to words that were not seen
            after it; [0] of the longest.
    """

    keys: np.ndarray
    log_prob: np.ndarray
    backoff: np.ndarray


class BackoffModel:
    """p(w | h) is that of the longest n-gram that the model has, times what each longer
    context left to others (Katz, 1987).

    Args:
        tables: one for each length, those without n-grams are left out; the first has
            all words, and of each n-gram the first n - 1 words are an n-gram of the
            table before.

    >>> words = Table(np.arange(4), np.log10([0.1, 1, 0.4, 0.5]), np.zeros(4))
    >>> pairs = Table(np.array([1 * 4 + 3]), np.log10([0.9]), np.zeros(0))
    >>> model = BackoffModel([words, pairs])
    >>> found, longest = model.score(np.array([1, 3, 3, 2]))
    >>> (10**found).round(2).tolist(), longest.tolist()
    ([1.0, 0.9, 0.5, 0.4], [1, 2, 1, 1])
    """

    def __init__(self, tables: Sequence[Table]):
        self.tables = [table for table in tables if len(table.keys)]

    @property
    def order(self) -> int:
        return len(self.tables)

    @property
    def vocabulary_size(self) -> int:
        return len(self.tables[0].keys)

    def score(self, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores each token given all before it in its sequence.

        Args:
            stream: int [tokens], sequences that begin with `BEGIN`.

        Returns:
            log10 p, float64 [tokens], without meaning where the token is `BEGIN`; and
            the length of the n-gram whose probability it is, int [tokens].
        """
        words = np.asarray(stream, np.int64)
        ends, (first, *others) = words, self.tables
        found = first.log_prob[ends].astype(np.float64)
        longest = np.ones(len(words), int)
        for length, table in enumerate(others, start=2):
            shorter = self.tables[length - 2]
            contexts = np.concatenate([[-1], ends[:-1]])
            known = (contexts >= 0) & (words != BEGIN)
            ends = find(
                table.keys,
                np.where(known, contexts * self.vocabulary_size + words, -1),
            )
            seen = ends >= 0
            left = np.where(known, shorter.backoff[np.maximum(contexts, 0)], 0.0)
            found = np.where(seen, table.log_prob[np.maximum(ends, 0)], found + left)
            longest[seen] = length
        return found, longest

    def next_words(self, context: Sequence[int]) -> np.ndarray:
        """log10 p of every word after some words, float64 [vocabulary]."""
        found = self.tables[0].log_prob.astype(np.float64)
        for length in range(1, min(len(context), self.order - 1) + 1):
            place = self._place(context[len(context) - length :])
            if place < 0:
                continue
            longer = self.tables[length]
            found += self.tables[length - 1].backoff[place]
            borders = np.array([place, place + 1]) * self.vocabulary_size
            start, stop = np.searchsorted(longer.keys, borders)
            after = longer.keys[start:stop] - borders[0]
            found[after] = longer.log_prob[start:stop]
        found[BEGIN] = NEVER
        return found

    def _place(self, words: Sequence[int]) -> int:
        """The id of an n-gram, -1 if there is none."""
        place = int(words[0])
        for table, word in zip(self.tables[1:], words[1:], strict=False):
            key = place * self.vocabulary_size + int(word)
            place = int(find(table.keys, np.array([key]))[0])
            if place < 0:
                break
        return place


def find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where values are among rising keys; -1 for those that are not.

    >>> find(np.array([2, 5]), np.array([5, 3, 2])).tolist()
    [1, -1, 0]
    """
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(wanted)  # in order they are found three times as fast
    places = np.empty(len(wanted), np.int64)
    places[order] = np.searchsorted(keys, wanted[order])
    places = np.minimum(places, len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)

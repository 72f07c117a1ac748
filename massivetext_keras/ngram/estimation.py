"""Counts to probabilities: interpolated modified Kneser-Ney."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from massivetext_keras.ngram.counting import BEGIN, UNKNOWN, Counts
from massivetext_keras.ngram.kneser_ney import modified_discounts
from massivetext_keras.ngram.scratch import Scratch
from massivetext_keras.ngram.tables import NEVER, Table

# What a count of 0, 1, 2, and 3 or more loses, where counts do not tell.
FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])


def estimate(levels: Sequence[Counts], scratch: Scratch) -> list[Table]:
    """Interpolated modified Kneser-Ney, as a table of backoff for each length.

    The longest n-grams have their counts. Shorter ones have the number of distinct
    words seen before them, unless they begin a sequence, where nothing can be before
    them. Each is discounted by one of three numbers and interpolated with the
    probability of its suffix, single words with 1 / V of all words that can come next,
    the unknown one and the end among them. Sources: Chen & Goodman (1999), "An
    empirical study of smoothing techniques for language modeling"; Heafield et al.
    (2013), "Scalable modified Kneser-Ney language model estimation", whose program
    gives the same numbers; where a length has too few counts to estimate discounts,
    they are those of its `--discount_fallback`.

    Args:
        levels: of `count`.
        scratch: where large arrays are.

    Returns:
        Tables for `BackoffModel`.
    """
    size = len(levels[0].keys)
    shorter = scratch.full(1, np.float64, 1 / (size - 1))  # all but BEGIN
    tables: list[Table] = []
    for length, level in enumerate(levels, start=1):
        longer = levels[length] if length < len(levels) else None
        counts = _adjusted(level, longer, scratch)
        if length == 1:
            counts[[UNKNOWN, BEGIN]] = 0  # which is never predicted
        contexts = len(tables[-1].keys) if tables else 1
        probabilities, backoff = _probabilities(
            level, counts, shorter, contexts, scratch, size
        )
        if tables:
            for start, stop in scratch.spans(contexts):
                tables[-1].backoff[start:stop] = _log10(backoff[start:stop])
        table = Table(
            level.keys,
            scratch.full(len(level.keys), np.float32),
            scratch.full(len(level.keys) if longer else 0, np.float32),
        )
        for start, stop in scratch.spans(len(level.keys)):
            table.log_prob[start:stop] = _log10(probabilities[start:stop])
        tables.append(table)
        shorter = probabilities
    tables[0].log_prob[BEGIN] = 0.0
    return tables


def _adjusted(level: Counts, longer: Counts | None, scratch: Scratch) -> np.ndarray:
    """What stands for the count of each n-gram, int64 [types]."""
    if longer is None:
        return level.counts
    before = scratch.full(len(level.keys), np.int64)
    for start, stop in scratch.spans(len(longer.suffixes)):
        found, number = np.unique(longer.suffixes[start:stop], return_counts=True)
        before[found] += number
    for start, stop in scratch.spans(len(level.keys)):
        part = before[start:stop]
        before[start:stop] = np.where(part > 0, part, level.counts[start:stop])
    return before


def _probabilities(
    level: Counts,
    counts: np.ndarray,
    shorter: np.ndarray,
    contexts: int,
    scratch: Scratch,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolated probabilities of n-grams, and what their contexts leave to others.

    Returns:
        float64 [types] and float64 [contexts].
    """
    of_counts = np.zeros(5, np.int64)
    for start, stop in scratch.spans(len(counts)):
        of_counts += np.bincount(np.minimum(counts[start:stop], 5), minlength=6)[:5]
    lost = modified_discounts(of_counts[1:])
    if lost is None:
        lost = FALLBACK
    totals, left = (scratch.full(contexts, np.float64) for _ in range(2))
    for part, first, places in _contexts(level, scratch, size, contexts):
        some = counts[part]
        end = first + (places[-1] + 1)
        totals[first:end] += np.bincount(places, some)
        left[first:end] += np.bincount(places, lost[np.minimum(some, 3)])
    for start, stop in scratch.spans(contexts):
        # A context that nothing was seen after leaves all to others.
        total = totals[start:stop]
        seen = total > 0
        left[start:stop] = np.where(seen, left[start:stop], 1.0)
        totals[start:stop] = np.where(seen, total, 1.0)
        left[start:stop] /= totals[start:stop]
    found = scratch.full(len(counts), np.float64)
    for part, first, places in _contexts(level, scratch, size, contexts):
        some = counts[part]
        own = (some - lost[np.minimum(some, 3)]) / totals[first + places]
        found[part] = own + left[first + places] * shorter[level.suffixes[part]]
    return found, left


def _contexts(
    level: Counts, scratch: Scratch, size: int, contexts: int
) -> Iterator[tuple[slice, int, np.ndarray]]:
    """Chunks of n-grams, the first context of each, and their contexts from it on."""
    for start, stop in scratch.spans(len(level.keys)):
        keys = level.keys[start:stop]
        places = keys // size if contexts > 1 else np.zeros(len(keys), np.int64)
        yield slice(start, stop), int(places[0]), places - places[0]


def _log10(values: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(values, 10.0**NEVER)).astype(np.float32)

"""How often each n-gram occurs, for all lengths, by sorting in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from massivetext_keras.ngram.scratch import Scratch

UNKNOWN, BEGIN, END = range(3)  # the first ids of a vocabulary
_SAMPLES = 64  # keys looked at for each part of a sort
_PARTS = 500  # of a sort, at the most: each is an open file


class Counts(NamedTuple):
    """The n-grams of one length, in the order of their keys.

    The id of an n-gram is its place. Its key is the id of its context, which is the
    n-gram of its first n - 1 words, times the size of the vocabulary, plus its last
    word: n-grams of one context stand together, and no key needs more than 64 bits.

    Attributes:
        keys: int64 [types], rising.
        counts: int64 [types], how often each occurs.
        suffixes: int64 [types], ids among the n-grams one shorter of its last n - 1
            words.
    """

    keys: np.ndarray
    counts: np.ndarray
    suffixes: np.ndarray


def count(
    stream: np.ndarray,
    vocabulary_size: int,
    order: int,
    scratch: Scratch,
    done: Callable[[int], None] = lambda tokens: None,
) -> list[Counts]:
    """Counts the n-grams of sequences, of length 1 to `order`.

    A length is one sort. What does not fit into `scratch.chunk` is parted, by keys that
    are sampled, into files whose order is that of their keys, and these are sorted one
    by one (sample sort; Frazer & McKellar, 1970).

    Args:
        stream: int32 [tokens], sequences that begin with `BEGIN` and end with `END`.
        vocabulary_size: ids are below it.
        order: the longest n-grams.
        scratch: where large arrays are, and the size of what is sorted at a time.
        done: is told how many tokens more were sorted.

    Returns:
        One for each length; `BEGIN` is only ever the first word of an n-gram.

    >>> first, second = count(np.array([1, 3, 3, 2]), 4, 2, Scratch(100))
    >>> first.counts.tolist(), second.keys.tolist()
    ([0, 1, 1, 2], [7, 14, 15])
    """
    counts = scratch.full(vocabulary_size, np.int64)
    for start, stop in scratch.spans(len(stream)):
        counts += np.bincount(stream[start:stop], minlength=vocabulary_size)
    words = np.arange(vocabulary_size)
    levels = [Counts(words, counts, np.zeros_like(words))]
    ends = stream
    done(len(stream))
    for length in range(2, order + 1):
        last = length == order
        level, ends = _next_level(stream, ends, vocabulary_size, scratch, last)
        levels.append(level)
        done(len(stream))
    return levels


def _next_level(
    stream: np.ndarray, ends: np.ndarray, size: int, scratch: Scratch, last: bool
) -> tuple[Counts, np.ndarray]:
    """The n-grams one longer, and the id of the one that ends at each token.

    Args:
        stream: as for `count`.
        ends: int [tokens], the id of the n-gram that ends at each token, -1 for none.
        size: of the vocabulary.
        scratch: as for `count`.
        last: nobody will ask for the ids.
    """
    found = scratch.full(0 if last else len(stream), np.int64, -1)
    writers = [scratch.writer(np.int64) for _ in Counts._fields]
    base = 0
    for keys, places in _parts(stream, ends, size, scratch):
        order = np.argsort(keys)
        keys, places = keys[order], places[order]
        is_first = np.empty(len(keys), bool)
        is_first[:1] = True
        np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
        firsts = np.flatnonzero(is_first)
        if not last:
            found[places] = np.cumsum(is_first) + (base - 1)
        writers[0].append(keys[firsts])
        writers[1].append(np.diff(firsts, append=len(keys)))
        writers[2].append(np.asarray(ends[places[firsts]], np.int64))
        base += len(firsts)
    return Counts(*(writer.array() for writer in writers)), found


def _parts(
    stream: np.ndarray, ends: np.ndarray, size: int, scratch: Scratch
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Keys of n-grams and where they end, in parts of which each has larger keys than
    those before it."""
    if len(stream) <= scratch.chunk:
        yield _keys(stream, ends, size, 1, len(stream))
        return
    parts = min(len(stream) * 5 // (scratch.chunk * 4) + 1, _PARTS)
    sample = np.random.default_rng(0).integers(1, len(stream), _SAMPLES * parts)
    sample.sort()  # read in order
    contexts = np.asarray(ends[sample - 1], np.int64)
    keys = np.sort((contexts * size + stream[sample])[contexts >= 0])
    borders = np.unique(keys[_SAMPLES // 2 :: _SAMPLES])
    files = [
        (scratch.writer(np.int64), scratch.writer(np.int64))
        for _ in range(len(borders) + 1)
    ]
    for span in scratch.spans(len(stream), before=1):
        keys, places = _keys(stream, ends, size, *span)
        order = np.argsort(keys)
        keys, places = keys[order], places[order]
        cuts = [0, *np.searchsorted(keys, borders), len(keys)]
        for (to, where), first, end in zip(files, cuts, cuts[1:], strict=False):
            to.append(keys[first:end])
            where.append(places[first:end])
    while files:
        to, where = files.pop(0)
        yield to.array(), where.array()


def _keys(
    stream: np.ndarray, ends: np.ndarray, size: int, start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the n-grams that end at tokens of a span, and their places."""
    contexts, words = ends[start - 1 : stop - 1], stream[start:stop]
    is_gram = np.flatnonzero((contexts >= 0) & (words != BEGIN))
    keys = contexts[is_gram].astype(np.int64) * size + words[is_gram]
    return keys, is_gram + start

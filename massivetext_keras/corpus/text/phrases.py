"""Entries of lists, of one word or several, and where texts have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.contents import read_once
from massivetext_keras.corpus.text.hashing import find, span_hashes
from massivetext_keras.corpus.text.lists import entries
from massivetext_keras.corpus.text.words import Words, folded_words
from massivetext_keras.reading.document import Document


class Phrases(NamedTuple):
    """The entries of a list, as they are looked up.

    Attributes:
        first: uint64, hashes of words that an entry starts with, each once.
        by_size: words of an entry -> uint64 [n], hashes of entries, each once; and
            int64 [n], places of the entries in the list.
    """

    first: np.ndarray
    by_size: dict[int, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, listed: Iterable[tuple[str, str]]) -> Phrases:
        """The phrases of a list.

        Args:
            listed: (where it is, for people; the entry) of each.

        Raises:
            ValueError: one without a letter or digit.
        """
        listed = list(listed)
        found = folded_words(Batch(Document(entry) for _, entry in listed))
        for (where, entry), count in zip(listed, found.counts, strict=True):
            if not count:
                raise ValueError(f"{where}: {entry!r} has no letter or digit")
        hashes = span_hashes(found.hashes, found.offsets[:-1], found.offsets[1:])
        by_size = {}
        for size in np.unique(found.counts):
            places = np.flatnonzero(found.counts == size)
            unique, first = np.unique(hashes[places], return_index=True)
            by_size[int(size)] = unique, places[first]
        return cls(np.unique(found.hashes[found.offsets[:-1]]), by_size)

    def places(self, found: Words) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where texts have entries; those that begin at the same word all count.

        Args:
            found: `folded_words` of the texts.

        Returns:
            int64 [places] each: the word that an entry starts with, how many words it
            has, and its place in the list.

        >>> from massivetext_keras.corpus.batch import Batch
        >>> phrases = Phrases.of([("1", "old"), ("2", "old people")])
        >>> words = folded_words(Batch([Document("Old people, old houses")]))
        >>> [x.tolist() for x in phrases.places(words)]
        [[0, 2, 0], [1, 1, 2], [0, 0, 1]]
        """
        candidates, _ = find(found.hashes, self.first)
        last = found.offsets[np.searchsorted(found.offsets, candidates, "right")]
        parts = [np.zeros((3, 0), np.int64)]
        for size, (hashes, entry) in self.by_size.items():
            starts = candidates[candidates + size <= last]
            where, which = find(
                span_hashes(found.hashes, starts, starts + size), hashes
            )
            sizes = np.full(len(where), size)
            parts.append(np.stack([starts[where], sizes, entry[which]]))
        return tuple(np.concatenate(parts, axis=1))


@read_once
def phrases(path: str) -> Phrases:
    """Those of a file with an entry on each line, read once.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it has no entries, or one without a letter or digit.
    """
    return Phrases.of(entries(path))

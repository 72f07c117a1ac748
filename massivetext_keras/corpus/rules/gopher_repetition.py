"""Gopher's table of repetition: how much of a document says again what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from massivetext_keras.corpus.batch import Batch, Check, of_prose
from massivetext_keras.corpus.rules import rule
from massivetext_keras.corpus.text.hashing import equal_groups
from massivetext_keras.corpus.text.words import Words, words
from massivetext_keras.support.arguments import Digits, Share

TOP_NGRAMS = {"2": 0.20, "3": 0.18, "4": 0.16}
DUPLICATE_NGRAMS = {
    **{"5": 0.15, "6": 0.14, "7": 0.13},
    **{"8": 0.12, "9": 0.11, "10": 0.10},
}
_MIX = np.uint64(0x9E3779B97F4A7C15)


@rule
def gopher_repetition(
    batch: Batch,
    *,
    max_duplicate_lines: Share | None = 0.30,
    max_duplicate_paragraphs: Share | None = 0.30,
    max_duplicate_line_characters: Share | None = 0.20,
    max_duplicate_paragraph_characters: Share | None = 0.20,
    max_top_ngrams: Mapping[Digits, Share] = TOP_NGRAMS,
    max_duplicate_ngrams: Mapping[Digits, Share] = DUPLICATE_NGRAMS,
    measure_all: bool = False,
) -> list[Check]:
    """Drops documents that repeat themselves, by table A1 of Rae et al. (2021).

    A duplicate is a line, paragraph or n-gram that the document had before; its first
    occurrence is none. Lines and paragraphs are the same if their words are. Characters
    are those of words, without the white space between them. The top n-gram is the most
    frequent one that occurs twice or more (the longest of several), and its share is
    its characters times its occurrences. Words in duplicate n-grams count once, however
    many of these overlap there.

    Holds for prose in every language; code measures NaN. In scripts without spaces,
    where a word has about two characters and each counts as one, an n-gram has 2n.

    Args:
        batch: the documents. A bound that is None is none.
        max_duplicate_lines, max_duplicate_paragraphs: share of all lines, paragraphs.
        max_duplicate_line_characters, max_duplicate_paragraph_characters: share of the
            characters of all lines, paragraphs.
        max_top_ngrams: words in the n-gram -> share of characters.
        max_duplicate_ngrams: likewise; the share of longer n-grams is never larger, so
            once it is within all bounds that follow they are not measured (NaN).
        measure_all: measure all the same.

    >>> from massivetext_keras.reading.document import Document
    >>> checks = gopher_repetition(
    ...     Batch([Document("one line\\n" * 3 + "another line")])
    ... )
    >>> [(check.name, check.values.tolist()) for check in checks[:1]]
    [('duplicate_lines', [0.5])]
    """
    found = words(batch)
    prose = np.array([document.kind != "code" for document in batch.documents], bool)
    checks = []
    for name, spans, most, most_characters in (
        ("line", found.lines, max_duplicate_lines, max_duplicate_line_characters),
        (
            *("paragraph", found.paragraphs),
            *(max_duplicate_paragraphs, max_duplicate_paragraph_characters),
        ),
    ):
        repeated = spans.sums(spans.is_repeat)
        shares = repeated / np.maximum(spans.counts, 1)
        checks.append(Check(f"duplicate_{name}s", shares, at_most=most))
        repeated = spans.sums(spans.lengths * spans.is_repeat)
        shares = repeated / np.maximum(spans.sums(spans.lengths), 1)
        name = f"duplicate_{name}_characters"
        checks.append(Check(name, shares, at_most=most_characters))
    tops = _by_size(max_top_ngrams)
    duplicates = _by_size(max_duplicate_ngrams)
    shares = np.full((len(tops) + len(duplicates), len(batch)), np.nan)
    unspaced = found.unspaced_share > 0.5
    for chosen, factor in ((prose & ~unspaced, 1), (prose & unspaced, 2)):
        if chosen.any():
            _measure(found, chosen, factor, tops, duplicates, measure_all, shares)
    for (size, most), values in zip(tops, shares, strict=False):
        checks.append(Check(f"top_{size}gram", values, at_most=most))
    for (size, most), values in zip(duplicates, shares[len(tops) :], strict=True):
        checks.append(Check(f"duplicate_{size}grams", values, at_most=most))
    return of_prose(batch, checks)


def _by_size(bounds: Mapping[str, float]) -> list[tuple[int, float]]:
    """(words, share) of a table of bounds, short n-grams first."""
    return sorted((int(size), most) for size, most in bounds.items())


def _measure(
    found: Words,
    chosen: np.ndarray,
    factor: int,
    tops: Sequence[tuple[int, float]],
    duplicates: Sequence[tuple[int, float]],
    measure_all: bool,
    shares: np.ndarray,
) -> None:
    """Writes the rows of `shares` [measures, documents] for the chosen documents.

    Args:
        chosen: bool [documents].
        factor: words of an n-gram, for each that it is named for.
    """
    grams = _NGrams(found, chosen)
    total = np.maximum(found.characters, 1)
    for row, (size, _) in enumerate(tops):
        grams.grow(size * factor)
        shares[row, chosen] = (grams.top() / total)[chosen]
    open_ = chosen.copy()
    for row, (size, _) in enumerate(duplicates, len(tops)):
        grams.grow(size * factor, open_)
        values = grams.repeated() / total
        shares[row, open_] = values[open_]
        after = [most for _, most in duplicates[row + 1 - len(tops) :]]
        if not measure_all:
            open_ &= values > min(after, default=0)


class _NGrams:
    """The n-grams of some documents, for n that grows.

    Args:
        found: words of the batch.
        chosen: bool [documents], whose n-grams they are.
    """

    def __init__(self, found: Words, chosen: np.ndarray):
        self.words = found
        self.size = 1
        self.starts = np.flatnonzero(np.repeat(chosen, found.counts))
        self.owners = np.repeat(np.arange(len(chosen)), found.counts)[self.starts]
        self.hashes = found.hashes[self.starts]
        self.before = np.concatenate([[0], np.cumsum(found.lengths)])

    def grow(self, size: int, open_: np.ndarray | None = None) -> None:
        """Makes them longer; if asked to, only those of `open_` documents stay."""
        last = self.words.offsets[1:] - size  # where an n-gram starts at the latest
        kept = self.starts <= last[self.owners]
        if open_ is not None:
            kept &= open_[self.owners]
        if not kept.all():
            self.starts, self.owners = self.starts[kept], self.owners[kept]
            self.hashes = self.hashes[kept]
        for step in range(self.size, size):
            self.hashes = self.hashes * _MIX + self.words.hashes[self.starts + step]
        self.size = size
        counts = np.bincount(self.owners, minlength=len(last))
        self.offsets = np.concatenate([[0], np.cumsum(counts)])

    def top(self) -> np.ndarray:
        """int64 [documents], characters of the most frequent, in all its places."""
        found, first = equal_groups(self.hashes, self.offsets)
        characters = np.zeros(len(self.offsets) - 1, np.int64)
        if len(found):
            at = np.flatnonzero(first)
            times = np.diff(np.append(at, len(found)))
            start = self.starts[found[at]]
            lengths = self.before[start + self.size] - self.before[start]
            owners = self.owners[found[at]]
            order = np.lexsort((lengths, times, owners))
            best = order[np.append(np.diff(owners[order]) > 0, True)]
            characters[owners[best]] = (times * lengths)[best]
        return characters

    def repeated(self) -> np.ndarray:
        """int64 [documents], characters in those that the document had before."""
        found, first = equal_groups(self.hashes, self.offsets)
        starts = self.starts[found[~first]]
        covered = np.zeros(len(self.words.starts), bool)
        for step in range(self.size):
            covered[starts + step] = True
        return self.words.sums(self.words.lengths * covered)

"""The words, lines and paragraphs of a batch: what most rules count."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from massivetext_keras.corpus.documents import Batch
from massivetext_keras.corpus.scripts import (
    LETTER,
    MARK,
    SPACE,
    UNSPACED,
    character_classes,
)

# A hash is a polynomial in _BASE over the values of a span, modulo 2 ** 64. As _BASE is
# odd it has an inverse, so differences of running sums give every span at once.
_BASE = 0xD1342543DE82EF95
_INVERSE = pow(_BASE, -1, 2**64)
_BLOCK = 1 << 15


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a batch, those of all documents one after another.

    In scripts with spaces a word is what `str.split` gives. A letter of a script
    without them (Han, Kana, Thai, Lao, Khmer, Myanmar, Tibetan) is a word by itself,
    together with its marks; Latin words and numbers between such letters stay whole.

    Attributes:
        text: all documents, joined by line feeds.
        classes: uint8 [characters of text], flags of `character_classes`.
        starts, ends: int64 [words], where the words lie in `text`.
        offsets: int64 [documents + 1], document i has words offsets[i] to offsets[i+1].
        hashes: uint64 [words], of the code points; the same in every process.
        breaks: int64 [line feeds], where they are in `text`.
    """

    text: str
    classes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray
    hashes: np.ndarray
    breaks: np.ndarray

    @functools.cached_property
    def tokens(self) -> list[str]:
        """The words as strings; made when first asked for."""
        if not (self.classes & (UNSPACED | MARK)).any():
            return self.text.split()
        ranges = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.text[start:end] for start, end in ranges]

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """int64 [words], in characters."""
        return self.ends - self.starts

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """int64 [documents], words in each."""
        return np.diff(self.offsets)

    @functools.cached_property
    def characters(self) -> np.ndarray:
        """int64 [documents], characters in words: all but the white space."""
        return self.sums(self.lengths)

    @functools.cached_property
    def is_unspaced(self) -> np.ndarray:
        """bool [words], true for letters of scripts without spaces."""
        return self.classes[self.starts] & UNSPACED > 0

    @functools.cached_property
    def is_alphabetic(self) -> np.ndarray:
        """bool [words], true where there is a letter in the word."""
        found = self.classes[self.starts] & LETTER > 0
        rest = np.flatnonzero(~found)  # few: words that start with no letter
        if len(rest):
            edges = np.stack([self.starts[rest], self.ends[rest]], 1).ravel()
            last = edges[-1] == len(self.classes)  # reduceat wants edges inside
            flags = np.bitwise_or.reduceat(self.classes, edges[:-1] if last else edges)
            found[rest] = flags[::2] & LETTER > 0
        return found

    @functools.cached_property
    def unspaced_share(self) -> np.ndarray:
        """float [documents], of the characters of words with letters; 0 for none."""
        letters = self.sums(self.lengths * self.is_alphabetic)
        unspaced = self.sums(self.lengths * self.is_unspaced)
        return unspaced / np.maximum(letters, 1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the words of each document, [documents], of values [words]."""
        return segment_sums(values, self.offsets)

    @functools.cached_property
    def lines(self) -> Spans:
        """The lines that hold a word."""
        return self._spans(np.searchsorted(self.starts, self.breaks))

    @functools.cached_property
    def paragraphs(self) -> Spans:
        """What blank lines divide; each holds a word."""
        found = np.searchsorted(self.starts, self.breaks)
        return self._spans(found[1:][found[1:] == found[:-1]])

    def _spans(self, edges: np.ndarray) -> Spans:
        edges = np.unique(np.concatenate([[0], edges, self.offsets]))
        return Spans(self, edges, np.searchsorted(edges, self.offsets))

    def ngrams(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The hashes of all runs of some words of the same document.

        Args:
            size: words in a run.

        Returns:
            uint64 [runs], those of all documents one after another, and
            int64 [documents + 1], where those of a document begin; one with fewer
            words has none.
        """
        counts = np.maximum(self.counts - size + 1, 0)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        starts = np.arange(offsets[-1]) + np.repeat(
            self.offsets[:-1] - offsets[:-1], counts
        )
        return span_hashes(self.hashes, starts, starts + size), offsets


@dataclass(frozen=True, eq=False)
class Spans:
    """Lines or paragraphs of a batch; each is a run of words.

    Attributes:
        source: whose words they are.
        edges: int64 [spans + 1], span i has words edges[i] to edges[i + 1] of all.
        offsets: int64 [documents + 1], document i has spans offsets[i] to offsets[i+1].
    """

    source: Words
    edges: np.ndarray
    offsets: np.ndarray

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """int64 [spans], where the first word starts in the text of the words."""
        return self.source.starts[self.edges[:-1]]

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """int64 [spans], where the last word ends."""
        return self.source.ends[self.edges[1:] - 1]

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """int64 [spans], in characters from the first word to the last."""
        return self.ends - self.starts

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """int64 [documents], spans in each."""
        return np.diff(self.offsets)

    @functools.cached_property
    def texts(self) -> list[str]:
        """The spans as strings, without white space around them."""
        ranges = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.source.text[start:end] for start, end in ranges]

    @functools.cached_property
    def hashes(self) -> np.ndarray:
        """uint64 [spans]; equal for the same words, however they are spaced."""
        return span_hashes(self.source.hashes, self.edges[:-1], self.edges[1:])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the spans of each document, [documents], of values [spans]."""
        return segment_sums(values, self.offsets)


def words(batch: Batch) -> Words:
    """The words of a batch; found once for its texts, whichever rules ask.

    >>> from massivetext_keras.corpus.documents import Document
    >>> found = words(Batch([Document("To be,\\nor not"), Document("用Python 3编程")]))
    >>> found.tokens
    ['To', 'be,', 'or', 'not', '用', 'Python', '3', '编', '程']
    >>> found.offsets.tolist(), found.lines.texts
    ([0, 4, 9], ['To be,', 'or not', '用Python 3编程'])
    """
    return batch.view(_words)


def _words(batch: Batch) -> Words:
    texts = batch.texts
    text = "\n".join(texts)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    classes = np.take(character_classes(), codes)
    starts, ends = _boundaries(classes)
    begins = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return Words(
        text=text,
        classes=classes,
        starts=starts,
        ends=ends,
        offsets=np.searchsorted(starts, begins),
        hashes=span_hashes(codes, starts, ends),
        breaks=np.flatnonzero(codes == ord("\n")),
    )


def _boundaries(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where words start and end, int64 [words] each."""
    inside = classes & SPACE == 0
    starts, ends = inside.copy(), inside
    new = ~inside[:-1]  # [characters - 1]: a word starts after it, if any does
    if (classes & (UNSPACED | MARK)).any():
        unspaced = classes & (UNSPACED | MARK) > 0
        new |= unspaced[:-1] & ~unspaced[1:]
        new |= classes[1:] & UNSPACED > 0
    starts[1:] &= new
    after = np.append(~starts[1:] & inside[1:], False)  # the same word goes on
    return np.flatnonzero(starts), np.flatnonzero(ends & ~after) + 1


def span_hashes(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Hashes of spans of an array; equal spans give equal hashes wherever they lie.

    Args:
        values: unsigned integers [n].
        starts, ends: int64 [spans], each sorted; spans may overlap.

    Returns:
        uint64 [spans].

    >>> hashes = span_hashes(
    ...     np.array([5, 6, 5, 6]), np.array([0, 1, 2]), np.array([2, 3, 4])
    ... )
    >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
    (True, False)
    """
    values = values.astype(np.uint64, copy=False)
    powers, inverses = _powers(_BASE), _powers(_INVERSE)
    low, high, unshift = (np.empty(len(starts), np.uint64) for _ in range(3))
    sums = np.zeros(_BLOCK + 1, np.uint64)
    total, scale, unscale = 0, 1, 1
    for first in range(0, len(values), _BLOCK):
        block = values[first : first + _BLOCK]
        np.cumsum(block * powers[: len(block)], out=sums[1 : len(block) + 1])
        running = sums[: len(block) + 1] * np.uint64(scale) + np.uint64(total)
        here = slice(*np.searchsorted(starts, [first, first + _BLOCK]))
        low[here] = running[starts[here] - first]
        unshift[here] = inverses[starts[here] - first] * np.uint64(unscale)
        here = slice(*np.searchsorted(ends, [first, first + _BLOCK], "right"))
        high[here] = running[ends[here] - first]
        total = int(running[-1])
        scale = scale * int(powers[-1]) * _BASE % 2**64
        unscale = unscale * int(inverses[-1]) * _INVERSE % 2**64
    # The length tells apart what a value of 0 at the end does not.
    return _mixed((high - low) * unshift + (ends - starts).astype(np.uint64))


@functools.cache
def _powers(base: int) -> np.ndarray:
    """base ** [0, 1, ...] modulo 2 ** 64, uint64 [_BLOCK]."""
    return np.cumprod(np.array([1] + [base] * (_BLOCK - 1), np.uint64))


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit depends on every bit; works in place."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def segment_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sums of values[offsets[i] : offsets[i + 1]], which may be empty.

    >>> segment_sums(np.array([1, 2, 3]), np.array([0, 2, 2, 3])).tolist()
    [3, 0, 3]
    """
    running = np.concatenate([[0], np.cumsum(values)])
    return running[offsets[1:]] - running[offsets[:-1]]

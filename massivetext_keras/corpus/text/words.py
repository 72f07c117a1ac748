"""The words, lines and paragraphs of a batch: what most rules count."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.folding import folded
from massivetext_keras.corpus.text.hashing import (
    equal_groups,
    segment_sums,
    span_hashes,
)
from massivetext_keras.corpus.text.scripts import (
    BRACKET,
    LETTER,
    LOWER,
    MARK,
    QUOTE,
    SPACE,
    TERMINAL,
    UNSPACED,
    character_classes,
)


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a batch, those of all documents one after another.

    In scripts with spaces a word is what `str.split` gives. A letter of a script
    without them (Han, Kana, Thai, Lao, Khmer, Myanmar, Tibetan) is a word by itself,
    together with its marks, and so is each sign of the punctuation made for them; Latin
    words and numbers between such letters stay whole.

    Attributes:
        text: all documents, joined by line feeds.
        classes: uint16 [characters of text], flags of `character_classes`.
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
        both = LETTER | UNSPACED
        return self.classes[self.starts] & both == both

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
    def ends_sentence(self) -> np.ndarray:
        """bool [words], true where a sentence ends, as punctuation tells.

        Neither before a small letter nor after an initial, except at the end of a line.
        """
        last = self.classes[self.ends - 1]
        before = self.classes[self.ends - 2]
        closed = (last & (QUOTE | BRACKET) > 0) & (self.lengths > 1)
        ended = (last & TERMINAL > 0) | (closed & (before & TERMINAL > 0))
        first = self.classes[self.starts]
        initial = (self.lengths == 2) & (first & LETTER > 0)
        again = (self.starts[1:] == self.ends[:-1]) & ended[1:]
        goes_on = initial.copy()
        goes_on[:-1] |= (first[1:] & LOWER > 0) | again
        goes_on[self.lines.edges[1:] - 1] = False
        return ended & ~goes_on

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
        edges = np.sort(np.concatenate([edges, self.offsets]))
        edges = edges[np.diff(edges, prepend=-1) > 0]
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

    def text(self, index: int) -> str:
        """One of the spans as a string."""
        return self.source.text[self.starts[index] : self.ends[index]]

    @functools.cached_property
    def is_punctuated(self) -> np.ndarray:
        """bool [spans], true at terminal punctuation or a quotation mark at the end."""
        return self.source.classes[self.ends - 1] & (TERMINAL | QUOTE) > 0

    @functools.cached_property
    def is_unpunctuated(self) -> np.ndarray:
        """bool [spans], true where it ends in Thai or Lao, whose sentences end so."""
        if not self.source.is_unspaced.any():
            return np.zeros(len(self.ends), bool)
        last = [self.source.text[end - 1] for end in self.ends.tolist()]
        return np.array(["\u0e00" <= sign <= "\u0eff" for sign in last], bool)

    @functools.cached_property
    def punctuated_share(self) -> np.ndarray:
        """float [documents], of the spans; NaN where most are Thai or Lao."""
        counts = np.maximum(self.counts, 1)
        shares = self.sums(self.is_punctuated) / counts
        shares[self.sums(self.is_unpunctuated) / counts > 0.5] = np.nan
        return shares

    @functools.cached_property
    def hashes(self) -> np.ndarray:
        """uint64 [spans]; equal for the same words, however they are spaced."""
        return span_hashes(self.source.hashes, self.edges[:-1], self.edges[1:])

    @functools.cached_property
    def is_repeat(self) -> np.ndarray:
        """bool [spans], true where the document had the same span before."""
        found, first = equal_groups(self.hashes, self.offsets)
        repeats = np.zeros(len(self.hashes), bool)
        repeats[found[~first]] = True
        return repeats

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the spans of each document, [documents], of values [spans]."""
        return segment_sums(values, self.offsets)


def words(batch: Batch) -> Words:
    """The words of a batch; found once for its texts, whichever rules ask.

    >>> from massivetext_keras.reading.document import Document
    >>> found = words(Batch([Document("To be,\\nor not"), Document("用Python 3编程")]))
    >>> found.tokens
    ['To', 'be,', 'or', 'not', '用', 'Python', '3', '编', '程']
    >>> found.offsets.tolist(), found.lines.texts
    ([0, 4, 9], ['To be,', 'or not', '用Python 3编程'])
    """
    return batch.view(_words)


def folded_words(batch: Batch) -> Words:
    """The words of the texts as `folded`, to look them up in lists.

    Line feeds are no more, so a document is one line.

    >>> from massivetext_keras.reading.document import Document
    >>> folded_words(Batch([Document("Not (yet) U.S.-made, 中文。")])).tokens
    ['not', 'yet', 'u', 's', 'made', '中', '文']
    """
    return words(batch.view(folded))


def _words(batch: Batch) -> Words:
    text = "\n".join(batch.texts)
    return _split(batch, text, _codes(text))


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _split(batch: Batch, text: str, codes: np.ndarray) -> Words:
    classes = np.take(character_classes(), codes)
    starts, ends = _boundaries(classes)
    begins = np.cumsum([0, *(len(text) + 1 for text in batch.texts)])
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

"""How texts are compared with lists: whatever their case, width and punctuation.

A list and what is looked for in it come from different hands: one has é as a letter,
the other as e and an accent, ﬁ as one character or two, １ or 1. Everything that is
compared with a list goes through here.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata

import numpy as np

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.reading.document import Document

_SPACE, _GONE, _ODD = 0x20, 0x110000, 0x110001
# Letters that stand for themselves, of which there are many.
_PLAIN = [(0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x2F7FF), (0x30000, 0x323AF)]


def composed(text: str) -> str:
    """A text in the form in which corpora are, NFC.

    >>> len("e\\u0301"), len(composed("e\\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", text)


def caseless(text: str) -> str:
    """A text in small letters, with plain characters for those that mean the same.

    >>> caseless("Straße ﬁx Ｃａｆｅ\\u0301")
    'strasse fix café'
    """
    if text.isascii():
        return text.lower()
    small = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", small)


def folded(batch: Batch) -> Batch:
    """The texts `caseless`, with a space for all that is no letter, digit or mark.

    What has no width is left out. Texts that say the same in other forms of Unicode
    (UAX 15) become equal; so they may have other lengths than before: see `origins`.

    >>> folded(Batch([Document("„Ölfluß“,\\nＤＯＮ’T!"), Document("x\\u00ady")])).texts
    [' ölfluss   don t ', 'xy']
    """
    codes = np.take(_characters(), _codes("".join(batch.texts)))
    ends = np.cumsum([0, *map(len, batch.texts)])
    odd = np.flatnonzero(codes >= _GONE)
    codes[odd] = _SPACE
    text = codes.tobytes().decode("utf-32-le")
    texts = [text[start:end] for start, end in itertools.pairwise(ends.tolist())]
    for index in np.unique(np.searchsorted(ends, odd, "right") - 1):
        texts[index] = _fold(batch.texts[index])
    return Batch(map(Document, texts))


def origins(text: str) -> np.ndarray:
    """Where in a text the characters of its folded form are from.

    Returns:
        int64 [folded characters + 1]; the last one is the length of the text.

    >>> origins("e\\u0301ﬁ!").tolist()
    [0, 2, 2, 3, 4]
    """
    places: list[int] = []
    for cluster in _clusters().finditer(text):
        places += [cluster.start()] * len(_fold(cluster[0]))
    return np.array([*places, len(text)], np.int64)


def _fold(text: str, breaks: bool = False) -> str:
    """One text, of any characters; line feeds stay if they are breaks."""
    for step in (str, caseless):
        codes = _codes(step(text))
        found = np.take(_signs(), codes)
        if breaks:
            found[codes == ord("\n")] = ord("\n")
        text = found[found != 0].tobytes().decode("utf-32-le")
    return text


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")


@functools.cache
def _signs() -> np.ndarray:
    """uint32 [0x110000]: characters, spaces for signs, 0 for what has no width."""
    kept = np.full(0x110000, _SPACE, "<u4")
    for first, end in _PLAIN:
        kept[first : end + 1] = np.arange(first, end + 1)
    for code, character in _looked_at():
        kind = unicodedata.category(character)
        if kind[0] in "LNM":
            kept[code] = code
        elif kind == "Cf":
            kept[code] = 0
    for first, end in ((0, 1), (0x34F, 0x350), (0xFE00, 0xFE10), (0xE0000, 0xE0200)):
        kept[first:end] = 0  # signs of joining, of variants, and tags
    return kept


@functools.cache
def _characters() -> np.ndarray:
    """uint32 [0x110000]: the folded form of a character; `_ODD` if it is not alone."""
    folds = _signs().copy()
    folds[folds == 0] = _GONE
    codes = [code for code, _ in _looked_at() if folds[code] == code]
    # All at once; a line feed goes together with nothing.
    forms = _fold("\n".join(map(chr, codes)), breaks=True).split("\n")
    folds[codes] = [ord(form) if len(form) == 1 else _ODD for form in forms]
    folds[list(_joined())] = _ODD
    return folds


@functools.cache
def _joined() -> frozenset[int]:
    """Characters that may become one with those before them, or change places."""
    found = {*range(0x1160, 0x1200), *range(0xFFA0, 0xFFDD), 0xFF9E, 0xFF9F}  # Hangul
    for code, character in _looked_at():
        if unicodedata.combining(character):
            found.add(code)
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and parts[0][0] != "<":
            found.add(int(parts[1], 16))
    return frozenset(found)


@functools.cache
def _clusters() -> re.Pattern:
    """A character with those after it that may become one with it."""
    marks = "".join(map(re.escape, map(chr, sorted(_joined()))))
    return re.compile(f".[{marks}]*", re.DOTALL)


def _looked_at() -> list[tuple[int, str]]:
    """The characters that need not stand for themselves, with their codes."""
    starts = [0, *(end + 1 for _, end in _PLAIN)]
    spans = zip(starts, (first for first, _ in _PLAIN), strict=False)
    return [(code, chr(code)) for low, high in spans for code in range(low, high)]

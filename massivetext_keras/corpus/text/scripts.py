"""Which characters are letters or white space, and which scripts have no spaces."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

from massivetext_keras.support.scripts import UNSPACED_BLOCKS

SPACE, LETTER, UNSPACED, MARK = 1, 2, 4, 8
DIGIT, PUNCTUATION, UPPER, LOWER = 16, 32, 64, 128
TERMINAL, QUOTE, BRACKET = 256, 512, 1024

_TERMINAL = ".!?…‥‼⁇⁈⁉‽。！？；．｡؟۔।॥։።፧།။។៕"
_QUOTES = "\"'”’“»«›‹」』〞〟＂＇｣"
_BRACKETS = ")]}）】》〉］｝〕〗〙〛"
_WIDE_PUNCTUATION = [(0x3001, 0x3020), (0x3030, 0x303F), (0xFF01, 0xFF65)]


@functools.cache
def character_classes() -> np.ndarray:
    """The classes of every code point, as flags.

    SPACE is what `str.split` splits at and LETTER what `str.isalpha` tells. UNSPACED
    stand alone as words: letters of scripts without spaces (Han, Kana, Bopomofo, Thai,
    Lao, Khmer, Myanmar, Tibetan; Hangul has spaces) and the wide punctuation between
    them. MARK is written above, below or around such a letter. DIGIT is a decimal digit
    of any script, PUNCTUATION one of Unicode's categories P and S, UPPER a capital and
    LOWER a small letter. TERMINAL ends a sentence; QUOTE and BRACKET may follow it.

    Returns:
        uint16 [0x110000].

    >>> classes = character_classes()
    >>> [int(classes[ord(character)]) for character in " A中。7"]
    [1, 66, 6, 292, 16]
    """
    classes = np.zeros(0x110000, np.uint16)
    last = UNSPACED_BLOCKS[-1][1] + 1  # no letters of scripts without spaces after it
    characters = list(map(chr, range(last)))
    classes[:last][[character.isalpha() for character in characters]] |= LETTER
    classes[:last][[character.islower() for character in characters]] |= LOWER
    classes[[code for code in range(0x3001) if chr(code).isspace()]] = SPACE
    for first, end in UNSPACED_BLOCKS:
        block = classes[first : end + 1]
        block[block & LETTER > 0] |= UNSPACED
        marks = [_is_mark(character) for character in characters[first : end + 1]]
        block[marks] = MARK
    categories = [unicodedata.category(character) for character in characters]
    flags = {"Nd": DIGIT, "Lu": UPPER, "P": PUNCTUATION, "S": PUNCTUATION}
    classes[:last] |= np.array(
        [flags.get(name) or flags.get(name[0], 0) for name in categories], np.uint16
    )
    for first, end in _WIDE_PUNCTUATION:
        is_sign = [not character.isalnum() for character in characters[first : end + 1]]
        classes[first : end + 1][is_sign] |= UNSPACED
    for flag, signs in (
        (TERMINAL, _TERMINAL),
        (QUOTE, _QUOTES),
        (BRACKET, _BRACKETS),
    ):
        classes[list(map(ord, signs))] |= flag
    return classes


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")

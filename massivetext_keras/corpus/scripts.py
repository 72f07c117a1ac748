"""Which characters are letters or white space, and which scripts have no spaces."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

SPACE, LETTER, UNSPACED, MARK = 1, 2, 4, 8
DIGIT, PUNCTUATION, UPPER = 16, 32, 64

_BLOCKS = [
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # Han: iteration mark, closing mark, zero
    (0x3021, 0x302F),  # Hangzhou numerals and tone marks
    (0x3031, 0x303C),  # repeat marks, more numerals
    (0x3041, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo and Katakana, extended
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar, extended B
    (0xAA60, 0xAA7F),  # Myanmar, extended A
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # Katakana, half width
    (0x1AFF0, 0x1B16F),  # Kana, extended and supplement
    (0x20000, 0x323AF),  # Han, extensions B to H
]


@functools.cache
def character_classes() -> np.ndarray:
    """The classes of every code point, as flags.

    SPACE is what `str.split` splits at and LETTER what `str.isalpha` tells. UNSPACED
    are the letters of scripts that put no space between words (Han, Kana, Bopomofo,
    Thai, Lao, Khmer, Myanmar, Tibetan; Hangul has spaces), MARK what is written above,
    below or around such a letter and is no letter itself. DIGIT is a decimal digit of
    any script, PUNCTUATION one of Unicode's categories P and S, UPPER a capital letter.

    Returns:
        uint8 [0x110000].

    >>> classes = character_classes()
    >>> [int(classes[ord(character)]) for character in " a中7"]
    [1, 2, 6, 16]
    """
    classes = np.zeros(0x110000, np.uint8)
    last = _BLOCKS[-1][1] + 1  # no letters after it
    letters = [chr(code).isalpha() for code in range(last)]
    classes[:last][letters] = LETTER
    spaces = [code for code in range(0x3001) if chr(code).isspace()]
    classes[spaces] = SPACE
    for first, end in _BLOCKS:
        block = classes[first : end + 1]
        block[block == LETTER] |= UNSPACED
        marks = [_is_mark(code) for code in range(first, min(end, 0x20000) + 1)]
        block[: len(marks)][marks] = MARK
    categories = [unicodedata.category(chr(code)) for code in range(last)]
    flags = {"Nd": DIGIT, "Lu": UPPER, "P": PUNCTUATION, "S": PUNCTUATION}
    classes[:last] |= np.array(
        [flags.get(name) or flags.get(name[0], 0) for name in categories], np.uint8
    )
    return classes


def _is_mark(code: int) -> bool:
    return unicodedata.category(chr(code)).startswith("M")

"""Scripts that put no spaces between words, and tags of languages."""

from __future__ import annotations

import re

# first and last code point, in order
UNSPACED_BLOCKS = [
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


def primary_language(tag: str) -> str:
    """The language that a tag of one begins with (RFC 5646, section 2.1).

    >>> [primary_language(tag) for tag in ("en-US", "zh_Hant_TW", "de")]
    ['en', 'zh', 'de']
    """
    return re.split("[-_]", tag, maxsplit=1)[0].lower()

"""The words of a text in any script, and which language texts are in."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

from massivetext_keras.support.scripts import UNSPACED_BLOCKS

# no letters, and without a say in what a word is: soft hyphens, joiners, directions
_IGNORED = dict.fromkeys(
    [0xAD, *range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]
    + [0xFEFF, 0x061C]
)
_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_SCRIPTS = {
    "ko": re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "lo": re.compile("[\u0e80-\u0eff]"),
    "bo": re.compile("[\u0f00-\u0fff]"),
    "my": re.compile("[\u1000-\u109f]"),
    "km": re.compile("[\u1780-\u17ff]"),
}
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {
    "de": re.compile(r"\b(?:der|die|und|das|ist|nicht|von|mit)\b", re.IGNORECASE),
    "en": re.compile(r"\b(?:the|of|and|that|is|was|to|with)\b", re.IGNORECASE),
}

UNKNOWN = "und"  # ISO 639-2's code for a language that is not told


def words(text: str) -> list[str]:
    """The words of a text, whatever its script, without punctuation.

    A word is a run of letters, the marks on them, and digits; in a script without
    spaces (Han, Kana, Thai, Lao, Khmer, Myanmar, Tibetan) it is a letter with its
    marks. How a letter is composed, and signs that cannot be seen, make no difference.

    >>> words("Не было—нет. 猫がsits, की กี่!")
    ['Не', 'было', 'нет', '猫', 'が', 'sits', 'की', 'กี่']
    """
    text = unicodedata.normalize("NFC", text).translate(_IGNORED)
    return word_pattern().findall(text)


@functools.cache
def word_pattern() -> re.Pattern[str]:
    """What `words` finds in a composed text."""
    alone, mark = f"[{unspaced_letters()}]", marks()
    return re.compile(rf"{alone}[{mark}]*|(?:(?!{alone})[\w{mark}])+")


@functools.cache
def unspaced_letters() -> str:
    """Ranges of characters, for a regular expression: the blocks of such scripts
    without their punctuation."""
    letters = (
        chr(code)
        for first, last in UNSPACED_BLOCKS
        for code in range(first, last + 1)
        if chr(code).isalnum()
    )
    return _ranges(map(ord, letters))


@functools.cache
def marks() -> str:
    """Ranges of characters, for a regular expression: all that is written above, below
    or around letters."""
    codes = [*range(0x20000), *range(0xE0100, 0xE01F0)]  # no marks elsewhere
    return _ranges(x for x in codes if unicodedata.category(chr(x)).startswith("M"))


def _ranges(codes) -> str:
    """Rising code points as the inside of a regular expression's brackets.

    >>> _ranges([97, 98, 99, 120])
    'a-cx-x'
    """
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


def language_of(texts: Sequence[str]) -> str:
    """The language of texts, as far as measures depend on it, as an ISO code.

    Where a tenth of the characters are of a script that is one language's ("zh", "ja",
    "ko", "th", "lo", "km", "my", "bo"), it is that; Latin script is German or English
    by their most frequent words, and English if nothing speaks against it; all else is
    "und".

    >>> [language_of([x]) for x in ("the cat is black", "das ist die Katze", "黑猫")]
    ['en', 'de', 'zh']
    >>> [language_of([x]) for x in ("黒い猫", "검은 고양이", "чёрная кошка", "l'été")]
    ['ja', 'ko', 'und', 'und']
    """
    text = unicodedata.normalize("NFC", "\n".join(texts))
    least = len(text) / 10
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    if han + kana > least:
        return "ja" if kana > han / 10 else "zh"
    for language, script in _SCRIPTS.items():
        if len(script.findall(text)) > least:
            return language
    found = _WORD.findall(text)
    letters = sum(map(len, found))
    if len(_LATIN.findall(text)) < letters / 2:
        return UNKNOWN
    counts = {name: len(common.findall(text)) for name, common in _COMMON.items()}
    if counts["de"] > counts["en"]:
        return "de"
    foreign = letters - sum(map(str.isascii, "".join(found)))
    is_english = counts["en"] > len(found) / 20 or foreign <= letters / 100
    return "en" if is_english else UNKNOWN

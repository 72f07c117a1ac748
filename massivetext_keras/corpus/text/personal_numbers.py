"""Which digits in a text are somebody's: cards, ids, addresses of machines, phones.

Phones are not left to phonenumbers 9.0, which reads 0.3 to 1.1 MB/s for each country
that is asked for, not 4.3 for all of them, and takes other numbers for phones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from massivetext_keras.corpus.text import identifiers
from massivetext_keras.corpus.text.announcements import (
    announces_other,
    announces_phone,
)

# Digits with what may separate them: all other kinds lie in such a piece of text.
_GAP = " \u00a0.\\-\u2010\u2011\u2013/"
DIGITS = re.compile(rf"[0-9][0-9()/{_GAP}]{{6,}}")
_CALLING_CODE = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|(?:2[1-689]|3[578]|42|5[09]|6[789]|8[0578]|9[679])[0-9]"
)
# A decimal, or thousands as in +1 000 000: up to ten digits.
_NUMBER = re.compile(
    r"0+[0-9]*\.[0-9]+|\+(?:[0-9]+\.[0-9]+|[0-9]([ .\u00a0])[0-9]{3}(?:\1[0-9]{3}){1,2}"
    r"|[0-9]{2,3}([ .\u00a0])[0-9]{3}\2[0-9]{3})"
)
_IS_VERSION = re.compile(
    r"(?:(?<![A-Za-z])(?:v|ver|version|release|rel|rev|build|firmware|driver|section|"
    r"chapter|abschnitt|kapitel|§)[^0-9A-Za-z\n]{0,3}|[A-Za-z][/_\-]"
    r"|版本[号为是：: ]*)\Z",
    re.IGNORECASE,
)
# States and the like whose ZIP codes begin with 0, as people write them before those,
# and the country behind. In Chinese and Japanese any state ends so.
_BESIDE = r"[\s,.;:()\[\]\-\u2010-\u2015]"
_STATE = re.compile(
    r"(?:(?<![A-Za-z])(?:CT|MA|ME|NH|NJ|NY|PR|RI|VI|VT|A[AEP]|C\. ?T|M\. ?[AE]"
    r"|N\. ?[HJY]|P\. ?R|R\. ?I|V\. ?[IT]|(?i:Massachusetts|Mass|Connecticut|Conn|Maine"
    r"|New Hampshire|New Jersey|New York|Puerto Rico|Rhode Island|Vermont"
    rf"|Virgin Islands))|州)(?:{_BESIDE}{{1,4}}U\.? ?S\.?(?: ?A)?)?{_BESIDE}{{0,8}}\Z"
)
_UNITED_STATES = re.compile(
    r"[\s,)\]]{1,4}(?:U\.? ?S\.?(?: ?A)?(?![A-Za-z])|United States"
    r"|Vereinigte Staaten|美)"
)
_IS_SOCIAL_SECURITY = re.compile(
    r"(?:(?<![A-Za-z])SSN|social security)[^0-9\n]{0,20}\Z", re.IGNORECASE
)
_NO_DIGITS = re.compile("[^0-9]+")
_HAN = re.compile("[\u4e00-\u9fff]")


def _before(match: re.Match, characters: int) -> str:
    return match.string[max(match.start() - characters, 0) : match.start()]


def _words_before(match: re.Match) -> str:
    """What comes before, without the dots or lines that lead from there to it."""
    return _before(match, 48).rstrip(" .…·_-")


def _digits(match: re.Match) -> str:
    return _NO_DIGITS.sub("", match[0])


def _in_url(match: re.Match) -> bool:
    """Whether it is a part of a web address, where numbers name pages."""
    backwards = re.match("[!-~]+", _before(match, 200)[::-1])
    return backwards is not None and ("//:" in backwards[0] or ".www" in backwards[0])


def _is_other(match: re.Match) -> bool:
    """Whether a word before it says that it is a number of something else."""
    return announces_other(_words_before(match))


def _is_card(match: re.Match, language: str | None) -> bool:
    return identifiers.is_card(_digits(match)) and not _in_url(match)


def _is_national_id(match: re.Match, language: str | None) -> bool:
    number = re.sub("[^0-9Xx]", "", match[0])
    if len(number) == 18:
        valid = identifiers.is_chinese_resident_id(number)
    elif len(number) == 11:
        valid = identifiers.is_german_tax_id(number)
    else:
        valid = identifiers.is_us_social_security(number) and (
            "-" in match[0] or bool(_IS_SOCIAL_SECURITY.search(_before(match, 40)))
        )
    return valid and not _in_url(match)


def _is_version_4(match: re.Match, language: str | None) -> bool:
    return identifiers.is_public_ip(match[0]) and not _IS_VERSION.search(
        _before(match, 16)
    )


def _is_international(match: re.Match, language: str | None) -> bool:
    digits = _digits(match)
    if digits.startswith("00"):
        groups = re.findall("[0-9]+", match[0])
        trunk = groups[1:2] and groups[1][0] == "0" and "(0" not in match[0]
        # Codes of characters: of countries, no part begins so.
        if trunk or any(
            len(group) == 4 and group.startswith("00") for group in groups[1:]
        ):
            return False
        digits = digits[2:]
    code = _CALLING_CODE.match(digits)
    if not code or not 9 <= len(digits) <= 15 or _in_url(match):
        return False
    if len(digits) > (15 if code[0] in _LONG_NUMBERS else 13):
        return False
    if code[0] == "1" and (len(digits) != 11 or digits[1] == "0"):
        return False  # no area code begins with 0
    return not _NUMBER.fullmatch(match[0])


_LONG_NUMBERS = frozenset(["39", "43", "49", "62"])  # the others end at 13 digits


def _is_plain(match: re.Match, language: str | None) -> bool:
    """What is written as a phone number is one, unless it is announced otherwise."""
    return not _in_url(match) and not _is_other(match)


# German area codes of three digits, and how what follows other ones is grouped.
_SHORT_AREAS = frozenset(["030", "040", "069", "089"])
_AFTER_THREE = frozenset([(7,), (8,), (3, 4), (4, 4), (3, 2, 2), (2, 2, 2)])
# Where another 0 may follow: 0800 and the like in Britain, Belgium, India.
_THEN_ZERO = {
    *(("08", sizes) for sizes in [(6,), (7,), (3, 3), (3, 4)]),
    *((4, (2, 2, 2)), (6, (5,))),
}


def _is_national(match: re.Match, language: str | None) -> bool:
    """Digits that begin with 0 are a phone number if a country writes such ones so."""
    first, *rest = re.findall("[0-9]+", match[0])
    sizes = tuple(map(len, rest))
    if not 9 <= len(first) + sum(sizes) <= 12 or _in_url(match) or _is_other(match):
        return False
    if match[1]:  # five pairs, French, unless they are numbers in order
        return language == "fr" or [first, *rest] != sorted([first, *rest])
    if rest[0][0] == "0" and not _THEN_ZERO & {(first[:2], sizes), (len(first), sizes)}:
        return False  # a range, codes of characters; no number of a subscriber
    if len(first) == 5 and sizes == (4,) and _is_zip(match, language):
        return False
    if all(map(_TIME.fullmatch, [first, *rest])):
        return False
    if "/" in match[0] and "010" <= first[:3] <= "014":  # no area code of Germany
        return False
    return len(first) > 3 or first in _SHORT_AREAS or sizes in _AFTER_THREE


# Hours, such as 0900-1700-2300: five minutes are the least that is written.
_TIME = re.compile("(?:[01][0-9]|2[0-4])[0-5][05]")


def _is_zip(match: re.Match, language: str | None) -> bool:
    """Whether five digits and four are a ZIP code of the United States.

    With a dash they are, but in German; without one if their state stands before them
    or the country behind.
    """
    gap = match[0][5:-4].strip()
    if gap and gap in "-\u2013" and language != "de":
        return True
    return match[0][0] != "(" and bool(
        _STATE.search(_before(match, 40))
        or _UNITED_STATES.match(match.string, match.end())
    )


def _is_chinese_mobile(match: re.Match, language: str | None) -> bool:
    """Eleven digits in one piece are a phone number only in Chinese surroundings."""
    if not match[1] and language != "zh":
        after = match.string[match.end() : match.end() + 8]
        if not _HAN.search(_before(match, 16) + after):
            return False
    return _is_plain(match, language)


def _is_announced(match: re.Match, language: str | None) -> bool:
    """Seven digits and more are a phone number after a word that says so."""
    return (
        announces_phone(_words_before(match))
        and 7 <= len(_digits(match)) <= 15
        and not _ANNOUNCED.fullmatch(match[0])
        and not identifiers.is_ip(match[0])
    )


# What may follow the same words: years, dates, versions, decimals and thousands.
_ANNOUNCED = re.compile(
    r"(?:19|20)[0-9]{2} ?[\-\u2013/] ?(?:19|20)[0-9]{2}"
    r"|(?:19|20)[0-9]{2}([\-./])[0-9]{1,2}\1[0-9]{1,2}"
    r"|[0-9]{1,2}([\-./])[0-9]{1,2}\2(?:19|20)[0-9]{2}"
    r"|[1-9][0-9]?\.[0-9]+|[0-9]{1,2}(?:\.[0-9]{1,2}){1,2}\.[0-9]{3,}(?:\.[0-9]+)*"
    r"|[1-9][0-9]{0,2}([ .])000(?:\3000)*"
)


class Rule(NamedTuple):
    """How numbers of a kind are written, and which of those are such ones.

    Attributes:
        kind: of `personal_data.MASKS`.
        pattern: of what is written so.
        valid: whether a match in a text of a language (ISO 639-1, if known) is one.
    """

    kind: str
    pattern: re.Pattern
    valid: Callable[[re.Match, str | None], bool]


def _rule(kind: str, pattern: str, valid, before=r"\-/._", after=r"[.\-/][0-9]"):
    """What is found must not go on: no letter, digit or sign of `before` precedes."""
    # One dot goes on with a number, more of them lead to it.
    before = rf"(?:(?<![0-9A-Za-z{before}])|(?<=\.\.))"
    pattern = rf"{before}(?:{pattern})(?![0-9A-Za-z_]|{after})"
    return Rule(kind, re.compile(pattern), valid)


RULES = (
    _rule(
        "card",
        r"[2-6][0-9]{13,18}"
        r"|[2-6][0-9]{3}([ \-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
        r"|3[0-9]{3}([ \-])[0-9]{6}\2[0-9]{4,5}",
        _is_card,
    ),
    _rule("national_id", r"[1-9][0-9]{16}[0-9Xx]", _is_national_id),
    _rule(
        "national_id", r"[1-9][0-9]( ?)[0-9]{3}\1[0-9]{3}\1[0-9]{3}", _is_national_id
    ),
    _rule("national_id", r"[0-8][0-9]{2}([ \-]?)[0-9]{2}\1[0-9]{4}", _is_national_id),
    _rule(
        "ip",
        r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}",
        _is_version_4,
        before="_.",
        after=r"\.[0-9A-Za-z]|-[A-Za-z]",
    ),
    _rule(
        "phone",
        rf"(?:\(?\+[1-9]|(?<![0-9] )00[1-9](?=[0-9]{{0,2}}[{_GAP}(]))"
        rf"(?:\)?[{_GAP}]{{0,2}}\(?[0-9]\)?){{7,14}}",
        _is_international,
        before=r"\-/._~",
    ),
    _rule(
        "phone",
        r"(?:1[ .\-])?(?:\([2-9][0-9]{2}\)[ \-]?[2-9][0-9]{2}[ .\-]"
        r"|[2-9][0-9]{2}([.\-])[2-9][0-9]{2}\1)[0-9]{4}",
        _is_plain,
    ),
    _rule(
        "phone",
        r"(?<![0-9] )(?:0[1-9]([ .\-])[0-9]{2}(?:\1[0-9]{2}){3}"
        r"|(?:\(0[1-9][0-9]{1,4}\) ?[/\-]? ?"
        r"|0[1-9][0-9]{1,4}(?: ?[/\-\u2013] ?| ))"
        r"[0-9]{2,9}(?:[ \-/][0-9]{2,9}){0,4}(?:-[0-9])?)(?! [0-9])",
        _is_national,
        after=r"[.\-/][0-9]|-[A-Za-z]",
    ),
    _rule("phone", r"01[567][0-9]{8,9}", _is_plain),
    _rule("phone", r"1[3-9][0-9]([ \-]?)[0-9]{4}\1[0-9]{4}", _is_chinese_mobile),
    _rule("phone", rf"\(?[0-9](?:[{_GAP}()]{{0,2}}[0-9]){{6,14}}", _is_announced),
)

"""Numbers above and below the line as characters, which plain text has for them."""

from __future__ import annotations

import html
import re

_STYLE = r"</?(?:b|i|em|strong|span|small|big|font|var|nobr)(?:\s[^<>]{0,500})?>"
_ELEMENT = re.compile(
    rf"<(?P<name>su[bp])(?:\s[^<>]{{0,500}})?>(?P<inside>(?:[^<>]|{_STYLE}){{1,60}})"
    r"</(?P=name)\s*>",
    re.I,
)
_MOST_NESTED = 3
_EMPHASIS = re.compile(rf"{_STYLE}|''+", re.I)  # of HTML, and of wikitext
_ITALIC = re.compile(r"<(?:i|em|var)\b|''", re.I)
_MINUS = re.compile("[\u2010\u2011\u2013]")
_SIGN = re.compile("^([-+\u2212±∓]) ")
_PLAIN = "0123456789+-=()\u2212"
_ABOVE = str.maketrans(_PLAIN + "ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾⁻ⁿⁱ")
_BELOW = str.maketrans(_PLAIN + "aeijnox", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎₋ₐₑᵢⱼₙₒₓ")
_SIGNS = re.escape(_PLAIN[10:])
_NUMBER = re.compile(rf"(?=[{_SIGNS}]*[0-9n])(?:[0-9n{_SIGNS}]|,\s?(?=\d))+|i")
_INDEX = re.compile(rf"[0-9aeijnox{_SIGNS}]*[0-9][0-9aeijnox{_SIGNS}]*|[ijnx]")
_TIMES = r"=.\u2212\u00b7\u00d7\u00f7\u00b1"
# a+1, x/2, 2.5, -x, ±3, 2x, 2πi, k; but neither nd nor e nor ος, which are of ordinals
_FORMULA = re.compile(
    rf"-?\(?[^\W_]{{1,3}}(?:\s*[-+*/{_TIMES}]\s*\(?[^\W_]{{1,3}}\)?)+|\d+[A-Za-z]"
    r"|[-+\u2212\u00b1]\s*\d*[A-Za-z\u0370-\u03ff]{1,2}|[\u00b1\u2213]\s*\d+"
    r"|[0-9A-Za-z]{1,2}[\u0370-\u03ff][A-Za-z]?|[\u0370-\u03ff][A-Za-z]"
    r"|[jkpquvwxyz]"
)
_INDICES = re.compile(r"[^\W_]{1,3}(?:[,;]\s*[^\W_]{1,3})+")
_SEEN = 60  # characters before an element, in which its base is
_CONTENT = re.compile('[^\\[\\]{}"“”$€£¥₽₹¢\0-\x1f]{1,40}')
_OPERAND = re.compile("[^\\W_]|∞")
_LETTER = "[^\\W\\d_²³¹¼-¾\u2070-\u209c\u2150-\u215e\u2c7c]"
# Prices 9.99, marks (R), ordinals 2nd, 1er, th century, -й, and words belong to no base
_OTHER = re.compile(
    rf"[.,:;]|\([A-Za-z]{{1,2}}\)$|\d+{_LETTER}{{2,4}}\b|{_LETTER}{{2,}}\.?$"
    r"|(?:st|nd|rd|th|er|ère|re|e|i?[eè]me|de?|te|ste|[ao]s?)(?:\W*$|\s+\w\w)"
    "|[-\u2212]?[\u0400-\u04ff]+$"
)
_VARIABLE = re.compile("[B-DF-NPQS-Z]|∞")  # A, E, O and R are of ordinals as well
_OF_LETTER = re.compile("[bcfghlm\u0391-\u03c9]")  # of a digit these are units, notes


def with_exponents(page: str) -> str:
    """A page, or wikitext, with its `<sup>` and `<sub>` of numbers as characters.

    Without them 100<sup>2</sup> would be 1002. What is no number, as the th of 19th, is
    left as it is; another formula becomes `^(…)` or `_(…)`, and so does whatever else
    is short and stands above or below a number, a letter or a bracket.

    >>> with_exponents("10<sup>−3</sup> m<sup>2</sup>, CO<sub>2</sub>, 19<sup>th</sup>")
    '10⁻³ m², CO₂, 19<sup>th</sup>'
    >>> with_exponents("2<sup>k+1</sup>, 2<sup>10<sup>3</sup></sup>")
    '2^(k+1), 2^(10³)'
    """
    for _ in range(_MOST_NESTED):  # the innermost first
        if "<su" not in page and "<SU" not in page:
            break
        before, page = page, _ELEMENT.sub(_as_characters, page)
        if page == before:
            break
    return page


def _as_characters(match: re.Match) -> str:
    inside, above = match["inside"], match["name"].lower() == "sup"
    inside = " ".join(html.unescape(_EMPHASIS.sub("", inside)).split())
    inside = _SIGN.sub(r"\1", _MINUS.sub("\u2212", inside))
    if (_NUMBER if above else _INDEX).fullmatch(inside):
        return inside.translate(_ABOVE if above else _BELOW)
    is_formula = _FORMULA.fullmatch(inside) or (
        not above and _INDICES.fullmatch(inside)
    )
    if not (is_formula or _is_of_base(match, inside, above)):
        return match[0]
    if len(inside) > 1 and not (
        inside[0] == "(" and inside.find(")") == len(inside) - 1
    ):
        inside = f"({inside})"
    return ("^" if above else "_") + html.escape(inside, quote=False)


def _is_of_base(match: re.Match, inside: str, above: bool) -> bool:
    """Whether something belongs to the number, letter or bracket before it."""
    if not _CONTENT.fullmatch(inside):
        return False
    start = match.start()
    before = match.string[max(0, start - _SEEN) : start]
    before = html.unescape(_EMPHASIS.sub("", before))[-2:]
    is_word = before.isalpha() and len(before) == 2
    if is_word or not (before[-1:].isalnum() or before[-1:] in tuple(")]|}")):
        return False
    if len(inside) > 1:
        return not _OTHER.match(inside) and bool(_OPERAND.search(inside))
    if not above or _ITALIC.search(match["inside"]):
        return inside.isalpha()
    if before[-1].isalpha() and _OF_LETTER.fullmatch(inside):
        return True
    return bool(_VARIABLE.fullmatch(inside)) or inside.isnumeric()

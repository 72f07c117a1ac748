"""Numbers above and below the line as characters, which plain text has for them."""

from __future__ import annotations

import re

_STYLE = r"</?(?:b|i|em|strong|span|small|font|var)(?:\s[^<>]{0,500})?>"
_ELEMENT = re.compile(
    rf"<(?P<name>su[bp])(?:\s[^<>]{{0,500}})?>(?P<inside>(?:[^<>]|{_STYLE}){{1,60}})"
    r"</(?P=name)\s*>",
    re.I,
)
_EMPHASIS = re.compile(rf"{_STYLE}|''+", re.I)  # of HTML, and of wikitext
_MINUS = re.compile("&(?:minus|ndash|#8722|#8211);|[\u2010\u2011\u2013]")
_PLAIN = "0123456789+-=()\u2212"
_ABOVE = str.maketrans(_PLAIN + "ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾⁻ⁿⁱ")
_BELOW = str.maketrans(_PLAIN + "aeijnox", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎₋ₐₑᵢⱼₙₒₓ")
_SIGNS = re.escape(_PLAIN[10:])
_NUMBER = re.compile(rf"(?=[{_SIGNS}]*[0-9n])(?:[0-9n{_SIGNS}]|,\s?(?=\d))+|i")
_INDEX = re.compile(rf"[0-9aeijnox{_SIGNS}]*[0-9][0-9aeijnox{_SIGNS}]*|[ijnx]")
# a+1, x/2, 2.5, -x, 2x, 2π, k; but neither nd nor e nor ος, which are of ordinals
_FORMULA = re.compile(
    r"-?\(?[^\W_]{1,3}(?:\s*[-+*/=.\u2212\u00b7]\s*\(?[^\W_]{1,3}\)?)+|\d+[A-Za-z]"
    r"|[-+\u2212]\s*\d*[^\W\d_]{1,2}|[0-9A-Za-z]{1,2}[\u0370-\u03ff]|[jkpquvwxyz]"
)


def with_exponents(page: str) -> str:
    """A page, or wikitext, with its `<sup>` and `<sub>` of numbers as characters.

    Without them 100<sup>2</sup> would be 1002. What is no number, as the th of 19th, is
    left as it is; another formula becomes `^(…)` or `_(…)`.

    >>> with_exponents("10<sup>−3</sup> m<sup>2</sup>, CO<sub>2</sub>, 19<sup>th</sup>")
    '10⁻³ m², CO₂, 19<sup>th</sup>'
    >>> with_exponents("2<sup>k+1</sup>")
    '2^(k+1)'
    """
    if "<su" not in page and "<SU" not in page:
        return page
    return _ELEMENT.sub(_as_characters, page)


def _as_characters(match: re.Match) -> str:
    inside, above = match["inside"], match["name"].lower() == "sup"
    inside = _MINUS.sub("\u2212", _EMPHASIS.sub("", inside)).strip()
    if (_NUMBER if above else _INDEX).fullmatch(inside):
        return inside.translate(_ABOVE if above else _BELOW)
    if not _FORMULA.fullmatch(inside):
        return match[0]
    mark = "^" if above else "_"
    return mark + (inside if len(inside) == 1 else f"({inside})")

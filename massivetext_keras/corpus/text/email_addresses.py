"""E-mail addresses in a text, in any script and with whatever is glued to them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from importlib import resources

from massivetext_keras.support.extras import need

# Latin, Greek and Cyrillic; the other scripts with spaces, with their marks; those
# without, beside which Latin letters are another word, and Korean, whose particles are.
_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u03ff\u0400-\u052f"
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ecd\u0f40-\u0f84\u1000-\u1049\u1780-\u17d3"
    "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
)
_SPACED = "".join(
    chr(code)
    for code in range(0x0531, 0x2000)
    if unicodedata.category(chr(code)) in ("Lu", "Ll", "Lo", "Lm", "Mn", "Mc", "Nd")
    and not re.match(f"[{_UNSPACED}]", chr(code))
)
_WORD = f"{_LETTER}{_SPACED}0-9"

# Addresses are found from their "@", the name before it backwards: a pattern that began
# with the name would try every word. Where no spaces tell where a name of such letters
# begins, more than eight are a sentence.
_NAME_BACKWARDS = re.compile(rf"[{_WORD}.%&'_~+\-]{{1,64}}|[{_UNSPACED}]{{1,8}}")
_LEADERS = re.compile(r"\.{3,}|_{4,}|-{3,}|~{3,}")
_QUOTED_NAME = re.compile(r'"[^"@\n]{1,62}"\Z')
# A dot ends a sentence, unless what precedes it is more than a word.
_WITH_DOT = re.compile(r"[^\W_][._+\-0-9]+[^\W_]+\.{1,2}\Z|[^\W_][0-9_]+\.{1,2}\Z")
_NOBODY = frozenset(["break", "continue", "git", "return", "self", "super", "this"])
# Particles: "whose ending is @example.com".
_NO_NAMES = tuple("以是用为為的在到至和或缀綴はをがにで")

_LABELS = re.compile(
    rf"@(?:(?:[{_WORD}](?:[{_WORD}_\-]{{0,61}}[{_WORD}])?|[{_UNSPACED}]{{1,63}})\.)"
    "{1,8}"
)
_ENDING = re.compile(
    rf"xn--[a-z0-9]{{2,40}}|[A-Za-z]{{2,63}}|[\u0370-\u052f]{{2,24}}"
    rf"|[{_SPACED}]{{2,24}}|[{_UNSPACED}]{{2,24}}"
)
_BY_FORM = re.compile(
    r"(?:xn--[a-z0-9]{2,40}|[a-z]{2,24}|[A-Z]{2,24}|[\u0370-\u052f]{2,24})"
    r"(?![A-Za-z0-9]|_[A-Za-z0-9]|-[A-Za-z0-9\-])"
)
# A word in any case that no call follows, and one before a footnote or another word.
_ALONE = re.compile(r"[A-Za-z]{2,24}(?![A-Za-z0-9(]|_[A-Za-z0-9])")
_GLUED = re.compile(
    r"(?:[a-z]{2,24}(?=[A-Z0-9])|[A-Z]{2,24}(?=[0-9]|[A-Z][a-z])"
    r"|[A-Z][a-z]{1,23}(?=[0-9]))(?![A-Za-z0-9]{1,40}\()"
)
_FILES = (
    "avif bmp css dll exe gif gz htm html ico jar java jpeg jpg js json jsx map min "
    "mjs pdf php png scss svg tar tgz ts tsx txt webp whl xml yaml yml zip"
)
_NOT_DOMAINS = frozenset(_FILES.split())


def find_email_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where the addresses in a text begin and end.

    A domain ends as domains do, in small letters or in capitals alone; in one that is
    registered (the list of publicsuffix.org, as the package tld has it) however it is
    written and whatever is glued behind. Unusual names and hosts, which end with a dot
    or have an underscore, need a registered one.

    >>> list(find_email_addresses("Ada@Example.Museum, ada@example.org1"))
    [(0, 18), (20, 35)]
    """
    at, end = text.find("@"), 0
    while at >= 0:
        stop, ending = _domain(text, at)
        name = _name_before(text[max(at - 64, end) : at]) if stop else ""
        if name and name not in _NOBODY:
            unusual = name[-1] == "." or "_" in text[at:stop]
            if not unusual or ending.lower() in _registered():
                end = stop
                yield at - len(name), end
        at = text.find("@", at + 1)


def _domain(text: str, at: int) -> tuple[int, str]:
    """Where the domain behind an "@" ends, and its last label; 0 if there is none.

    What goes on with a dot but has no ending may be the next sentence.
    """
    labels = _LABELS.match(text, at)
    while labels:
        ending = _ending(text, labels.end())
        if ending.lower() in _NOT_DOMAINS:
            break
        if ending:
            return labels.end() + len(ending), ending
        labels = _LABELS.match(text, at, labels.end() - 1)
    return 0, ""


def _ending(text: str, start: int) -> str:
    """The last label of a domain that begins at a place, or none."""
    if found := _BY_FORM.match(text, start):
        return found[0]
    for pattern in (_ALONE, _GLUED):
        found = pattern.match(text, start)
        if found and found[0].lower() in _registered():
            return found[0]
    found = _ENDING.match(text, start)
    word = found[0] if found else ""
    if word and not word.isascii():  # of a script that may go on without a space
        for size in range(len(word), 1, -1):
            if word[:size] in _registered():
                return word[:size]
    return ""


@functools.cache
def _registered() -> frozenset[str]:
    """Top-level domains; those of other scripts as they are written in these."""
    need("tld")
    names = "res/effective_tld_names_public_only.dat.txt"
    lines = resources.files("tld").joinpath(names).read_text("utf-8").split()
    return frozenset(line.rpartition(".")[2] for line in lines)


def _name_before(before: str) -> str:
    """The name of an address that a text before an "@" ends with, or none.

    >>> _name_before("E-Mail.....ada"), _name_before("My address: ____")
    ('ada', '____')
    >>> _name_before("a..b"), _name_before("ada.l."), _name_before("The end.")
    ('a..b', 'ada.l.', '')
    """
    if before.endswith('"'):
        quoted = _QUOTED_NAME.search(before)
        return quoted[0] if quoted else ""
    backwards = _NAME_BACKWARDS.match(before[::-1])
    if not backwards or before.endswith(_NO_NAMES):
        return ""
    # What dots lead to begins after them, and a sign is no beginning but of a blank.
    name = backwards[0][::-1]
    if name[-1] == "." and not _WITH_DOT.search(name):
        return ""
    name = _LEADERS.split(name)[-1] or name
    return name.lstrip(".%&'_~+-") or name.strip(".%&'~+-")

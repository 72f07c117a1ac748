"""Phrases that no answer may have, however they are written, found in text that is
still being written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple


class Look(NamedTuple):
    """What is in a text.

    Attributes:
        phrase: the one that begins first, "" if there is none.
        start: where it begins, in characters.
        settled: characters that nothing can change that follows: no phrase begins there
            that may still be completed.
    """

    phrase: str
    start: int
    settled: int


class Phrases:
    """Phrases in any upper or lower case, width and spacing, also within words.

    Characters without a width are passed over, runs of blanks are one.

    Args:
        phrases: strings.

    Raises:
        ValueError: one is empty.

    >>> phrases = Phrases(["Secret  plan"])
    >>> phrases.look("the SECRET\\nplan")
    Look(phrase='secret plan', start=4, settled=4)
    >>> phrases.look("the sec").settled, phrases.look("the sea").settled
    (4, 7)
    """

    def __init__(self, phrases: Iterable[str]):
        folded = sorted({_fold(phrase)[0].strip() for phrase in phrases})
        if "" in folded:
            raise ValueError("a banned phrase is empty: every text has it")
        self.count = len(folded)
        self._beginnings = {
            phrase[:i] for phrase in folded for i in range(1, len(phrase))
        }
        self._longest = max(map(len, folded), default=0)
        # of those that begin at a place the longest, so that none hides another
        folded.sort(key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, folded))) if folded else None

    def look(self, text: str) -> Look:
        """What is in a text that may go on."""
        if self._any is None:
            return Look("", 0, len(text))
        folded, places = _fold(text)
        found = self._any.search(folded)
        settled = len(text)
        for start in range(max(0, len(folded) - self._longest + 1), len(folded)):
            if folded[start:] in self._beginnings:
                settled = places[start]
                break
        if found is None:
            return Look("", 0, settled)
        start = places[found.start()]
        return Look(found[0], start, min(settled, start))


def _fold(text: str) -> tuple[str, list[int]]:
    """A text as phrases are compared, and where each of its characters is from.

    >>> _fold("A\\u200b \\n\\uff22")
    ('a b', [0, 2, 4])
    """
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isspace():
            if folded and folded[-1] == " ":
                continue
            characters = " "
        elif unicodedata.category(character) == "Cf":
            continue
        elif character.isascii():
            characters = character.lower()
        else:
            characters = unicodedata.normalize("NFKD", character).casefold()
        folded += characters
        places += [place] * len(characters)
    return "".join(folded), places

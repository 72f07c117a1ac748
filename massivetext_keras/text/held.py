"""Text that is judged while it is written: where its next sentence ends."""

from __future__ import annotations

import re

_HELD = 400  # characters that are judged at the latest
_END = re.compile(r"[.!?…。！？\n][\"'”’)\]]*\s")


def due(text: str, judged: int, end: int, whole: bool = False) -> int:
    """How far a text is to be judged now.

    Args:
        text: so far.
        judged: characters that were judged already.
        end: characters that nothing can change that follows.
        whole: whether nothing follows.

    Returns:
        Characters; `judged` where nothing is due yet.

    >>> due("One. Two", 0, 8), due("One. Two", 5, 8), due("One. Two", 5, 8, whole=True)
    (5, 5, 8)
    """
    if whole:
        return end
    ends = [found.end() for found in _END.finditer(text, judged, end)]
    if ends:
        return ends[-1]
    return judged if end - judged < _HELD else end

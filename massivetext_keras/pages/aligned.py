"""Tables as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines in which the cells of a column stand below each other.

    Args:
        rows: of cells. The last cell of a row with fewer than others may be longer
            than its column.
        right: columns that end at the same place, those of numbers.

    >>> print(
    ...     "\\n".join(aligned([["a", "1"], ["中文", "23"], ["", "note"]], right=[1]))
    ... )
    a      1
    中文  23
          note
    """
    most = max(map(len, rows), default=0)
    widths = [
        max((_width(row[at]) for row in rows if len(row) == most), default=0)
        for at in range(most)
    ]
    lines = []
    for row in rows:
        cells = []
        for at, cell in enumerate(row):
            space = " " * (widths[at] - _width(cell))
            last = at == len(row) - 1 < most - 1
            cells.append(space + cell if at in right and not last else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    """Columns of a terminal; a Chinese character takes two."""
    return sum(
        1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
        if not unicodedata.combining(character)
    )

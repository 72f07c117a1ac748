"""Texts as a picture: words on colours, for where there are no pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from massivetext_keras.pages.pictures import FIRST, SECOND

_COLUMNS, _POINTS, _DOTS = 90, 10, 100  # of a line, of a letter, per inch
_WIDTH, _HEIGHT = 0.602, 1.6  # of a letter's place, by the size of letters
_COLOURS = {"for": FIRST, "against": SECOND}
_STRONGEST = 0.7  # how much of the colour the strongest word has


class Piece(NamedTuple):
    """A part of a text on the page.

    Attributes:
        text: as it stands.
        kind: the class of its colour, "" of what has no score.
        percent: how strong the colour is, of the strongest word's.
        score: as text.
    """

    text: str
    kind: str = ""
    percent: int = 0
    score: str = ""


# Line, column and a part of a text.
Place = tuple[int, int, Piece]


def draw_words(texts: Sequence[Sequence[Piece]]) -> np.ndarray:
    """A picture of texts one below the other, an empty line between them.

    Args:
        texts: at least one, each in parts.

    Returns:
        uint8 [height, 769, 3]; the height follows from the texts.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places: list[Place] = []
    for text in texts:
        first = places[-1][0] + 2 if places else 0
        places += laid_out(text, _COLUMNS, first)
    lines = places[-1][0] + 1
    size = (_COLUMNS + 2) * _WIDTH, (lines + 1) * _HEIGHT
    figure = Figure(figsize=[x * _POINTS / 72 for x in size], dpi=_DOTS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1, _COLUMNS + 1), ylim=(lines + 0.5, -0.5))
    axes.set_axis_off()
    letters = {"family": "monospace", "size": _POINTS, "parse_math": False}
    for line, column, piece in places:
        if piece.kind:
            depth = _STRONGEST * piece.percent / 100
            ends = column, column + len(piece.text)
            colour = {"color": _COLOURS[piece.kind], "alpha": depth, "linewidth": 0}
            axes.fill_between(ends, line + 0.1, line + 0.9, **colour)
        axes.text(column, line + 0.55, piece.text, va="center", **letters)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def laid_out(parts: Sequence[Piece], columns: int, first: int = 0) -> list[Place]:
    """Parts of a text in lines; one that does not fit begins a line.

    Args:
        parts: in their order.
        columns: letters of a line.
        first: number of the first line.

    >>> places = laid_out([Piece("so"), Piece(" "), Piece("fine", "for")], columns=5)
    >>> [(line, column, piece.text) for line, column, piece in places]
    [(0, 0, 'so'), (1, 0, 'fine')]
    """
    places, line, column = [], first, 0
    for part in parts:
        for i, text in enumerate(part.text.split("\n")):
            if i:
                line, column = line + 1, 0
            if column and column + len(text.rstrip()) > columns:
                line, column = line + 1, 0
            while text and (column or text.strip()):
                some, text = text[:columns], text[columns:]
                if some.strip():
                    places.append((line, column, part._replace(text=some)))
                column += len(some)
                if text:
                    line, column = line + 1, 0
    return places

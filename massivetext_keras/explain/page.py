"""Explanations to read: words in colours on a page, or a table in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from massivetext_keras.explain.explanation import Explanation
from massivetext_keras.explain.methods import METHODS
from massivetext_keras.pages.aligned import aligned
from massivetext_keras.pages.render import Section, Tile, render
from massivetext_keras.pages.words import Piece, draw_words
from massivetext_keras.support.files import replacing_file

_TEMPLATE = "explain/page.html"
_BAR = 20  # characters of the longest bar


def write_page(found: Sequence[Explanation], path: str | Path) -> None:
    """Writes a page about explanations, without scripts.

    Args:
        found: at least one.
        path: of the page; its folder is made if missing.
    """
    text = page(found)
    with replacing_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def page(found: Sequence[Explanation]) -> str:
    """The page as HTML; what is quoted is escaped.

    Args:
        found: at least one.
    """
    first = found[0]
    texts = [
        {"about": about(x), "pieces": pieces(x), "note": METHODS[x.method].about}
        for x in found
    ]
    rows = [("", (x.method, x.target, *row)) for x in found for row in _rows(x.words())]
    heads = ("method", "target", "word", "#score")
    sections = [
        Section("Texts", "texts", texts),
        Section("Scores of words", "scores", {"heads": heads, "rows": rows}),
    ]
    tiles = [
        Tile(f"{first.output:.4g}", first.output_name, f"of {first.target}"),
        Tile(_number(first.base), "base", "all tokens hidden"),
        Tile(f"{len(first.words().tokens):,}", "words", "of the first text"),
    ]
    footer = "Scores say what an output depends on, not whether it is right."
    return render(_TEMPLATE, f"Why {first.target}?", tiles, sections, footer)


def draw(found: Sequence[Explanation]) -> np.ndarray:
    """A picture of texts, one below the other, with their words on colours.

    Args:
        found: at least one.

    Returns:
        uint8 [height, 769, 3]; the height follows from the texts.

    Raises:
        ImportError: matplotlib is not installed.
    """
    heads = ([Piece(about(x)), Piece("\n")] for x in found)
    texts = [[*head, *pieces(x)] for head, x in zip(heads, found, strict=True)]
    return draw_words(texts)


def pieces(found: Explanation) -> list[Piece]:
    """A text in parts: its words with their scores, and what is between them.

    >>> import numpy as np
    >>> found = Explanation(
    ...     "a b!",
    ...     "occlusion",
    ...     "ham",
    ...     "logit",
    ...     ("a", "b"),
    ...     np.array([[0, 1], [2, 3]]),
    ...     np.array([1.0, -4.0]),
    ...     0.0,
    ...     1.0,
    ... )
    >>> [(piece.text, piece.kind, piece.percent) for piece in pieces(found)]
    [('a', 'for', 25), (' ', '', 0), ('b', 'against', 100), ('!', '', 0)]
    """
    words, made, at = found.words(), [], 0
    most = abs(words.scores).max(initial=0.0) or 1.0
    for (start, end), score in zip(words.offsets.tolist(), words.scores, strict=True):
        if at < start:
            made.append(Piece(found.text[at:start]))
        kind = "for" if score > 0 else "against"
        percent = round(100 * abs(float(score)) / float(most))
        made.append(
            Piece(found.text[max(at, start) : end], kind, percent, f"{score:+.4g}")
        )
        at = max(at, end)
    if at < len(found.text):
        made.append(Piece(found.text[at:]))
    return made


def table(found: Explanation) -> str:
    """Words, their scores and bars of + and -, for a terminal.

    Args:
        found: of one text.
    """
    words = found.words()
    most = abs(words.scores).max(initial=0.0) or 1.0
    rows = [("word", "score", "")]
    for (word, score), value in zip(_rows(words), words.scores, strict=True):
        sign = "+" if value > 0 else "-"
        rows.append((word, score, sign * round(_BAR * abs(float(value)) / float(most))))
    return "\n".join([about(found), *aligned(rows, right=[1])])


def _rows(words: Explanation) -> list[tuple[str, str]]:
    pairs = zip(words.tokens, words.scores, strict=True)
    return [(word, f"{score:+.4f}") for word, score in pairs]


def about(found: Explanation) -> str:
    """One line: the method, what it explains, the output and the base."""
    base = "" if found.base is None else f", base {_number(found.base)}"
    output = f"{found.output_name} {found.output:.4g}"
    return f"{found.method} of {found.target}: {output}{base}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

"""Pages that can be read anywhere: elements, tables, bars, numbers for people."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from massivetext_keras.pages.style import STYLE

# Nothing is loaded and nothing is run, whatever is quoted.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Html(str):
    """Text that is HTML already; all other text is escaped."""


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element; children and attributes are escaped unless they are `Html`.

    >>> tag("td", "a < b", tag("br"), class_="number", title='"')
    '<td class="number" title="&quot;">a &lt; b<br></td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("br", "meta", "i") and not children:
        return Html(f"<{name}{given}>" + ("</i>" if name == "i" else ""))
    return Html(f"<{name}{given}>{_join(children)}</{name}>")


def _join(children: Iterable[Any]) -> Html:
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(_visible(str(child)))
            for child in children
            if child is not None
        )
    )


def _visible(text: str) -> str:
    """Control characters and marks of direction by name: they would change the page."""
    return re.sub(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]",
        lambda match: f"⟨U+{ord(match[0]):04X}⟩",
        text,
    )


def breakable(name: str) -> Html:
    """A long name, which may be broken after an underscore or a full stop.

    >>> breakable("a_b<")
    'a_<wbr>b&lt;'
    """
    return Html(re.sub("([_.])", r"\1<wbr>", str(_join([name]))))


def table_of(
    heads: Sequence[str], rows: Iterable[tuple[str | None, Sequence[Any]]]
) -> Html:
    """A table that scrolls by itself where it is wider than the screen.

    Args:
        heads: of the columns, after marks: "#" of numbers, which stand to the right;
            "-" is left out on a phone; "=" of bars.
        rows: class of the row, cells. Whole numbers get thousands separators.
    """
    marks = {"#": "number", "-": "spare", "=": "bar"}
    texts = [head.lstrip("".join(marks)) for head in heads]
    kinds = [
        " ".join(marks[mark] for mark in head[: len(head) - len(text)]) or None
        for head, text in zip(heads, texts, strict=True)
    ]

    def row(name: str, cells: Sequence[Any], kind: str | None = None) -> Html:
        made = (
            tag(name, f"{cell:,}" if isinstance(cell, int) else cell, class_=column)
            for cell, column in zip(cells, kinds, strict=True)
        )
        return tag("tr", *made, class_=kind)

    body = tag("tbody", *(row("td", cells, kind) for kind, cells in rows))
    return tag("div", tag("table", tag("thead", row("th", texts)), body), class_="wide")


def bar_of(*parts: tuple[float, str], whole: float) -> Html:
    """Parts of a whole, each with the class of its colour."""
    made = (
        tag("i", class_=kind, style=f"width:{100 * part / max(whole, 1):.3f}%")
        for part, kind in parts
    )
    return tag("div", *made)


def percent(part: float, whole: float) -> str:
    """A percentage, in which little is not nothing."""
    if not whole:
        return "–"
    value = 100 * part / whole
    if 0 < value < 0.01:
        return "< 0.01 %"
    return f"{value:.2f} %" if value < 10 else f"{value:.1f} %"


def figure_of(picture: str, caption: str) -> Html:
    """A picture, SVG from `pages.pictures`, and what it shows."""
    drawn = tag("div", Html(picture), role="img", aria_label=caption)
    return tag("figure", tag("figcaption", caption), drawn)


def tiles_of(tiles: Iterable[tuple[str, str, str]]) -> Html:
    """The most important numbers: each a value, what it is, and more about it."""
    made = (
        tag("div", tag("b", value), tag("span", name), tag("span", more))
        for value, name, more in tiles
    )
    return tag("div", *made, class_="tiles")


def page_of(
    title: str,
    summary: Html,
    sections: Iterable[tuple[str, str, Sequence[Any]]],
    footer: str,
) -> str:
    """A whole page without scripts, with a list of its sections.

    Args:
        title: of the page.
        summary: below the title.
        sections: title, name for links and contents; those without are left out.
        footer: the last line.
    """
    sections = [section for section in sections if section[2]]
    contents = [tag("li", tag("a", name, href=f"#{key}")) for name, key, _ in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    main = [
        tag("section", tag("h2", name), *body, id=key) for name, key, body in sections
    ]
    body = tag(
        "body",
        tag(
            "div",
            tag("nav", tag("ol", *contents), aria_label="Contents"),
            tag("header", tag("h1", title), summary),
            tag("main", *main),
            tag("footer", footer),
            class_="frame",
        ),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"

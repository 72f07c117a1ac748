"""Pages that can be read anywhere: templates filled with plain values.

`page.html` is the page, `parts.html` what stands on it (tables, bars, tiles, figures),
`page.css` how it looks. A report adds a template with a macro for each of its sections.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).parents[1]


class Bar(NamedTuple):
    """A cell of a table: parts of a whole, each with the class of its colour."""

    parts: tuple[tuple[float, str], ...]
    whole: float

    @property
    def widths(self) -> list[tuple[str, str]]:
        """(class, percent) of each part."""
        return [
            (kind, f"{100 * part / max(self.whole, 1):.3f}")
            for part, kind in self.parts
        ]


class Link(NamedTuple):
    """A cell of a table: a name that leads to another place on the page."""

    text: str
    place: str


class Name(NamedTuple):
    """A cell of a table: a long name, which may be broken after _ and a full stop."""

    text: str


class Shade(NamedTuple):
    """A cell of a table: a count on the colour of a class, as dark as its share."""

    number: int
    percent: float
    kind: str


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        name: its title.
        key: for links, and the macro that lays it out.
        content: what the macro gets; without any there is no section.
    """

    name: str
    key: str
    content: Any


class Tile(NamedTuple):
    """One of the most important numbers: its value, what it is, and more about it."""

    value: str
    name: str
    more: str


def render(
    template: str,
    title: str,
    tiles: Iterable[Tile],
    sections: Iterable[Section],
    footer: str,
    folder: Path = _PACKAGE,
) -> str:
    """A whole page without scripts, with a list of its sections; all text is escaped.

    Args:
        template: with the macros of the sections, relative to the folder.
        title: of the page.
        tiles: below the title.
        sections: in order; those without content are left out.
        footer: the last line.
        folder: of the template.
    """
    return fill(
        "pages/page.html",
        folder,
        template=template,
        title=title,
        tiles=list(tiles),
        sections=[section for section in sections if section.content],
        footer=footer,
    )


def fill(template: str, folder: Path = _PACKAGE, /, **values: Any) -> str:
    """A template with values in it; all text is escaped.

    Args:
        template: relative to the folder.
        folder: of the template; it may include those of the package.
        **values: by their names in it.
    """
    return _environment(folder).get_template(template).render(**values)


def percent(part: float, whole: float) -> str:
    """A percentage, in which little is not nothing.

    >>> percent(1, 3), percent(1, 100_000), percent(1, 0)
    ('33.3 %', '< 0.01 %', '–')
    """
    if not whole:
        return "–"
    value = 100 * part / whole
    if 0 < value < 0.01:
        return "< 0.01 %"
    return f"{value:.2f} %" if value < 10 else f"{value:.1f} %"


@functools.cache
def _environment(folder: Path) -> Environment:
    # Imported here: workers of a corpus import this module, and make no page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        autoescape=True,
        finalize=_visible,
        loader=FileSystemLoader([folder, _PACKAGE]),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters.update(breakable=_breakable, column=_column, number=_number)
    for kind in (Bar, Link, Name, Shade):
        found.tests[kind.__name__.lower()] = lambda x, kind=kind: isinstance(x, kind)
    return found


def _visible(value: Any) -> Any:
    """Control characters and marks of direction by name: they would change the page."""
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return re.sub(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]",
        lambda match: f"⟨U+{ord(match[0]):04X}⟩",
        value,
    )


def _breakable(name: str) -> Markup:
    """A long name, which may be broken after an underscore or a full stop.

    >>> str(_breakable("a_b<"))
    'a_<wbr>b&lt;'
    """
    return Markup(re.sub("([_.])", r"\1<wbr>", str(Markup.escape(_visible(name)))))


_MARKS = {"#": "number", "-": "spare", "=": "bar"}


def _column(head: str) -> tuple[str, str]:
    """The text and the classes of a column: "#" of numbers, "-" is left out on a phone,
    "=" is one of bars.

    >>> _column("#-bytes")
    ('bytes', 'number spare')
    """
    text = head.lstrip("".join(_MARKS))
    return text, " ".join(_MARKS[mark] for mark in head[: len(head) - len(text)])


def _number(value: Any) -> Any:
    """Whole numbers with separators of thousands."""
    return f"{value:,}" if isinstance(value, int) else value

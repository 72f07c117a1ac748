"""One page about what became of a task, that can be read anywhere."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.compression.comparison import Comparison
from massivetext_keras.pages.render import Section, Tile, percent, render
from massivetext_keras.support.files import replacing_file

_TEMPLATE = "compression/page.html"


def write_page(found: Comparison, name: str, path: str | Path) -> None:
    """Writes the page, without scripts.

    Args:
        found: what to tell.
        name: of the model.
        path: of the page; its folder is made if missing.
    """
    with replacing_file(path) as draft:
        draft.write_text(page(found, name), encoding="utf-8", errors="replace")


def page(found: Comparison, name: str) -> str:
    """The page as HTML."""
    before, after = found.before.name, found.after.name
    heads = ["", f"#{before}", f"#{after}", "#ratio"]
    rows = [("", row) for row in found.rows()]
    worst = [("", (x.asked, x.before, x.after, x.expected)) for x in found.worst]
    sections = [
        Section("Before and after", "sides", {"heads": heads, "rows": rows}),
        Section(
            "Changed answers",
            "answers",
            worst and {"heads": ["asked", before, after, "expected"], "rows": worst},
        ),
    ]
    footer = (
        "Speeds are the best of five runs in turns, on the machine that wrote this."
    )
    return render(_TEMPLATE, f"{name} as {after}", _tiles(found), sections, footer)


def _tiles(found: Comparison) -> list[Tile]:
    tiles = [Tile(f"{found.share:.3f}", "of the size", f"of {found.before.name}")]
    for name, speed in list(found.before.speeds.items())[:1]:
        tiles.append(Tile(f"{found.after.speeds[name] / speed:.2f}x", "as fast", name))
    if found.loss is not None:
        measure = next(iter(found.before.measures))
        side = "better" if found.loss < 0 else "worse"
        tiles.append(Tile(f"{100 * abs(found.loss):.2f} %", side, measure))
    share = percent(found.changed, found.count)
    return [*tiles, Tile(share, "of the answers changed", f"of {found.count:,}")]

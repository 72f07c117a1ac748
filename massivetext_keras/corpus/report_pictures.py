"""Pictures of a corpus: SVG for its page, PNG for everything else."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from massivetext_keras.corpus.report_data import ReportData, bounds_of_bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Drawn in the first colour; the page replaces it by the second, which is light or dark
# as the reader has it.
COLOURS = {
    "#333334": "currentColor",
    "#0b6e99": "var(--kept)",
    "#c8641c": "var(--dropped)",
    "#8a8a8b": "var(--faint)",
}
_INK, _KEPT, _DROPPED, _FAINT = COLOURS
_SIZE = (5.2, 3.0)  # inches; at 72 to the inch still legible on a phone
_MOST_BARS = 25
_DOTS = 200


def draw(data: ReportData, folder: Path) -> dict[str, str]:
    """Draws all pictures that there are numbers for.

    Args:
        data: of the report.
        folder: gets NAME.png of each.

    Returns:
        name -> SVG, to be put into a page.

    Raises:
        ImportError: matplotlib is not installed.
    """
    drawn = {}
    for name, (make, numbers) in {
        "funnel": (_funnel, data.reasons),
        "languages": (_languages, data.languages),
        "bytes": (_bytes, data.subsets),
        "words_per_document": (_words_per_document, data.words_per_document),
        "zipf": (_zipf, data.words["counts"]),
    }.items():
        if numbers:
            drawn[name] = _picture(make, data, folder / f"{name}.png")
    return drawn


def _picture(
    make: Callable[[Axes, ReportData], None], data: ReportData, path: Path
) -> str:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "pictures need matplotlib: pip install 'massivetext-keras[plot]'"
        ) from None

    settings = {
        "axes.edgecolor": _FAINT,
        "axes.labelcolor": _INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": path.stem,  # the same names within it each time
        "text.color": _INK,
        "text.parse_math": False,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    with rc_context(settings):
        figure = Figure(figsize=_SIZE, layout="constrained")
        make(figure.subplots(), data)
        figure.savefig(path, dpi=150)
        file = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Type": None, "Format": None}
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    return _inline(file.getvalue())


def _inline(svg: str) -> str:
    """An SVG file as an element of a page, in the page's colours and letters."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", svg, count=1)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same in every picture
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(font: [0-9.]+px) [^;\"]*", r"\1 var(--letters)", svg)
    for colour, replaced in COLOURS.items():
        svg = svg.replace(colour, replaced)
    return svg


def _funnel(axes: Axes, data: ReportData) -> None:
    reasons = sorted(data.reasons, key=lambda r: (-data.reasons[r]["documents"], r))
    shown = reasons[:_MOST_BARS][::-1]
    counts = [data.reasons[reason]["documents"] for reason in shown]
    axes.barh(shown, counts, color=_DROPPED)
    axes.set(xlabel="documents dropped")
    _enlarge(axes, len(shown))


def _languages(axes: Axes, data: ReportData) -> None:
    def total(code: str) -> int:
        return sum(data.languages[code][outcome]["documents"] for outcome in _OUTCOMES)

    shown = sorted(data.languages, key=lambda code: (-total(code), code))
    shown = shown[:_MOST_BARS][::-1]
    start = [0] * len(shown)
    for outcome, colour in _OUTCOMES.items():
        counts = [data.languages[code][outcome]["documents"] for code in shown]
        axes.barh(shown, counts, left=start, color=colour, label=outcome)
        start = [one + other for one, other in zip(start, counts, strict=True)]
    axes.set(xlabel="documents")
    axes.legend(frameon=False)
    _enlarge(axes, len(shown))


_OUTCOMES = {"kept": _KEPT, "dropped": _DROPPED}


def _enlarge(axes: Axes, bars: int) -> None:
    """Room for the names of all bars."""
    axes.figure.set_size_inches(_SIZE[0], max(_SIZE[1] * 0.6, 0.6 + 0.22 * bars))
    axes.xaxis.set_major_formatter(_short_number)


def _bytes(axes: Axes, data: ReportData) -> None:
    for outcome, colour in _OUTCOMES.items():
        _stairs(axes, data.bytes[outcome], colour, outcome)
    axes.set(xlabel="bytes of a document", ylabel="documents")
    axes.xaxis.set_major_formatter(lambda value, _: short_size(value))
    axes.legend(frameon=False)


def _words_per_document(axes: Axes, data: ReportData) -> None:
    _stairs(axes, data.words_per_document, _KEPT, "kept")
    axes.set(xlabel="words of a document", ylabel="documents")
    axes.xaxis.set_major_formatter(_short_number)


def _stairs(axes: Axes, bins: Mapping[int, int], colour: str, label: str) -> None:
    if bins:
        numbers = range(min(bins), max(bins) + 1)
        edges = [bounds_of_bin(number)[0] for number in (*numbers, max(bins) + 1)]
        counts = [bins.get(number, 0) for number in numbers]
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=colour, lw=1.5, label=label)
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(_short_number)
    axes.grid(axis="y", color=_FAINT, alpha=0.3, lw=0.6)


def _zipf(axes: Axes, data: ReportData) -> None:
    counts = sorted(data.words["counts"].values(), reverse=True)
    last = math.log(len(counts))
    ranks = sorted({round(math.exp(last * n / _DOTS)) for n in range(_DOTS + 1)})
    straight = [counts[0] / rank for rank in ranks]
    axes.plot(ranks, straight, "--", color=_FAINT, label="1 / rank")
    drawn = [counts[rank - 1] for rank in ranks]
    axes.plot(ranks, drawn, ".", ms=4, color=_KEPT, label="words")
    axes.set(xlabel="rank of the word", ylabel="occurrences")
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_short_number)
    axes.legend(frameon=False)


def _short_number(value: float, _=None) -> str:
    """With a suffix from a thousand on: 1.5k, 2M."""
    return _short(value, ("", "k", "M", "G", "T"))


def short_size(size: float) -> str:
    """A number of bytes in a unit that suits it.

    >>> short_size(0), short_size(31), short_size(48_213), short_size(7.25e9)
    ('0 B', '31 B', '48.2 kB', '7.25 GB')
    """
    return _short(size, (" B", " kB", " MB", " GB", " TB", " PB"))


def _short(value: float, units: Sequence[str]) -> str:
    unit = 0
    while abs(value) >= 999.5 and unit + 1 < len(units):
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{units[unit]}"

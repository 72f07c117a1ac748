"""Pictures of a corpus: SVG for its page, PNG for everything else."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from massivetext_keras.corpus.report.data import ReportData, bounds_of_bin
from massivetext_keras.pages.pictures import (
    FAINT,
    FIRST,
    HEIGHT,
    SECOND,
    WIDTH,
    counting,
    logarithmic,
    picture,
    short_number,
    short_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
            path = folder / f"{name}.png"
            drawn[name] = picture(functools.partial(make, data=data), name, path)
    return drawn


def _funnel(axes: Axes, data: ReportData) -> None:
    reasons = sorted(data.reasons, key=lambda r: (-data.reasons[r]["documents"], r))
    shown = reasons[:_MOST_BARS][::-1]
    counts = [data.reasons[reason]["documents"] for reason in shown]
    axes.barh(shown, counts, color=SECOND)
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
    # Beside the bars, which may be as long as the picture is wide.
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    _enlarge(axes, len(shown))


_OUTCOMES = {"kept": FIRST, "dropped": SECOND}


def _enlarge(axes: Axes, bars: int) -> None:
    """Room for the names of all bars, and for no bar that is a wall."""
    axes.figure.set_size_inches(WIDTH, max(HEIGHT * 0.6, 0.6 + 0.22 * bars))
    around = max(3 - bars, 0) / 2
    axes.set_ylim(-0.6 - around, bars - 0.4 + around)
    counting(axes.xaxis)


def _bytes(axes: Axes, data: ReportData) -> None:
    for outcome, colour in _OUTCOMES.items():
        _stairs(axes, data.bytes[outcome], colour, outcome)
    axes.set(xlabel="bytes of a document", ylabel="documents")
    logarithmic(axes, "x", short_size)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def _words_per_document(axes: Axes, data: ReportData) -> None:
    _stairs(axes, data.words_per_document, FIRST, "kept")
    axes.set(xlabel="words of a document", ylabel="documents")
    logarithmic(axes, "x", short_number)


def _stairs(axes: Axes, bins: Mapping[int, int], colour: str, label: str) -> None:
    if bins:
        numbers = range(min(bins), max(bins) + 1)
        edges = [bounds_of_bin(number)[0] for number in (*numbers, max(bins) + 1)]
        counts = [bins.get(number, 0) for number in numbers]
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=colour, lw=1.5, label=label)
    counting(axes.yaxis)
    axes.grid(axis="y", color=FAINT, alpha=0.3, lw=0.6)


def _zipf(axes: Axes, data: ReportData) -> None:
    counts = sorted(data.words["counts"].values(), reverse=True)
    last = math.log(len(counts))
    ranks = sorted({round(math.exp(last * n / _DOTS)) for n in range(_DOTS + 1)})
    straight = [counts[0] / rank for rank in ranks]
    axes.plot(ranks, straight, "--", color=FAINT, label="1 / rank")
    drawn = [counts[rank - 1] for rank in ranks]
    axes.plot(ranks, drawn, ".", ms=4, color=FIRST, label="words")
    axes.set(xlabel="rank of the word", ylabel="occurrences")
    axes.set(xscale="log", yscale="log")
    axes.set(xlim=(0.8, 1.25 * ranks[-1]), ylim=(0.8 * drawn[-1], 1.25 * drawn[0]))
    for name in "xy":
        logarithmic(axes, name, short_number, whole=True)
    axes.legend(frameon=False)

"""Pictures in the colours and letters of the page that they stand in."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Drawn in the first colour; the page replaces it by the second, which is light or dark
# as the reader has it.
COLOURS = {
    "#333334": "currentColor",
    "#0b6e99": "var(--kept)",
    "#c8641c": "var(--dropped)",
    "#8a8a8b": "var(--faint)",
}
INK, FIRST, SECOND, FAINT = COLOURS
WIDTH, HEIGHT = 5.2, 3.0  # inches; at 72 to the inch still legible on a phone


def picture(make: Callable[[Axes], None], name: str, path: Path | None = None) -> str:
    """Draws a picture.

    Args:
        make: draws onto axes, in `FIRST`, `SECOND` and `FAINT`.
        name: of the picture; it has the same bytes each time.
        path: of a PNG of it too (None: none is written).

    Returns:
        SVG, to be put into a page.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "pictures need matplotlib: pip install 'massivetext-keras[plot]'"
        ) from None

    settings = {
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": name,  # the same names within it each time
        "text.color": INK,
        "text.parse_math": False,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with rc_context(settings):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        make(figure.subplots())
        if path is not None:
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


def counting(axis: Axis) -> None:
    """Marks whole numbers alone on an axis of counts, in a short form."""
    axis.get_major_locator().set_params(integer=True)
    axis.set_major_formatter(short_number)


def logarithmic(
    axes: Axes, name: str, form: Callable[[float], str], whole: bool = False
) -> None:
    """Makes an axis of a picture logarithmic, with marks at round values.

    Call it once all is drawn, or its limits are set.

    Args:
        axes: of the picture.
        name: "x" or "y".
        form: a value -> what is written at it.
        whole: mark whole numbers alone.
    """
    from matplotlib.ticker import NullFormatter

    getattr(axes, f"set_{name}scale")("log")
    axis = getattr(axes, f"{name}axis")
    marks: dict[str, float] = {}
    for value in round_values(*sorted(getattr(axes, f"get_{name}lim")())):
        if not whole or value.is_integer():
            marks.setdefault(form(value), value)  # not one that is written as another
    axis.set_ticks(list(marks.values()), list(marks))
    axis.set_minor_formatter(NullFormatter())


def round_values(low: float, high: float, most: int = 6) -> list[float]:
    """Up to about as many round values as fit between two positive ones.

    Powers of ten, with 2 and 5 or all digits between them where there is room; where a
    range has no two of these, steps that are round.

    >>> round_values(80, 600), round_values(0.5, 2e7)
    ([100.0, 200.0, 500.0], [1.0, 100.0, 10000.0, 1000000.0])
    >>> round_values(1010, 1460)
    [1100.0, 1200.0, 1300.0, 1400.0]
    """
    from matplotlib.ticker import MaxNLocator

    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    choices = [(1, range(1, 10)), (1, (1, 2, 5)), (1, (1,))]
    choices += [(step, (1,)) for step in range(2, last - first + 1)]
    for step, digits in choices:
        powers = [power for power in range(first, last + 1) if power % step == 0]
        found = [digit * 10.0**power for power in powers for digit in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            break
    if len(found) < 2:
        found = MaxNLocator(most - 1).tick_values(low, high).tolist()
        found = [value for value in found if low <= value <= high]
    return found


def short_number(value: float, _=None) -> str:
    """With a suffix from a thousand on: 1.5k, 2M."""
    return _short(value, ("", "k", "M", "G", "T"))


def short_size(size: float) -> str:
    """A number of bytes in a unit that suits it.

    >>> short_size(0), short_size(31), short_size(48_213), short_size(7.25e9)
    ('0 B', '31 B', '48.2 kB', '7.25 GB')
    """
    return _short(size, (" B", " kB", " MB", " GB", " TB", " PB"))


def short_speed(flops: float) -> str:
    """Operations per second in a unit that suits them.

    >>> short_speed(312e12)
    '312 TFLOP/s'
    """
    return _short(flops, [f" {unit}FLOP/s" for unit in ("", "k", "M", "G", "T", "P")])


def _short(value: float, units: Sequence[str]) -> str:
    unit = 0
    while abs(value) >= 999.5 and unit + 1 < len(units):
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{units[unit]}"

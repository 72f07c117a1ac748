"""Pictures of plans, in the colours of their page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from massivetext_keras.pages.pictures import (
    FAINT,
    FIRST,
    INK,
    SECOND,
    WIDTH,
    picture,
)
from massivetext_keras.planning.search import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colour and how strong it is. What computes has the first colour, what sends the
# second; so has what lasts in memory the first, what comes and goes the second.
_SECONDS = {
    "products": (FIRST, 1.0),
    "elementwise": (FIRST, 0.55),
    "update": (FIRST, 0.25),
    "tensor": (SECOND, 1.0),
    "pipeline": (SECOND, 0.6),
    "data": (SECOND, 0.3),
    "bubble": (FAINT, 0.6),
}
_MEMORY = {
    "weights": (FIRST, 1.0),
    "gradients": (FIRST, 0.7),
    "master": (FIRST, 0.45),
    "moments": (FIRST, 0.25),
    "activations": (SECOND, 1.0),
    "logits": (SECOND, 0.5),
}


def seconds(plans: Sequence[Plan]) -> str:
    """SVG: a bar for each plan, its parts one after the other."""
    parts = [plan.seconds._asdict() for plan in plans]
    return _bars("seconds", plans, parts, _SECONDS, "seconds of a step")


def memory(plans: Sequence[Plan]) -> str:
    """SVG: the same of memory, and a line where the device is full."""
    parts = [
        {name: size / 1e9 for name, size in plan.memory._asdict().items()}
        for plan in plans
    ]
    limit = plans[0].cluster.memory / 1e9
    return _bars("memory", plans, parts, _MEMORY, "GB of a device", limit)


def _bars(
    name: str,
    plans: Sequence[Plan],
    parts: Sequence[Mapping[str, float]],
    colours: Mapping[str, tuple[str, float]],
    label: str,
    limit: float | None = None,
) -> str:
    def draw(axes: Axes) -> None:
        rows = range(len(plans))[::-1]
        left = [0.0] * len(plans)
        for part, (colour, strength) in colours.items():
            sizes = [found[part] for found in parts]
            axes.barh(
                rows, sizes, 0.7, left, color=colour, alpha=strength, lw=0, label=part
            )
            left = [a + b for a, b in zip(left, sizes, strict=True)]
        if limit is not None:
            axes.axvline(limit, color=INK, lw=1, ls="--")
        axes.set_yticks(rows, [plan.split.sizes for plan in plans])
        axes.set(xlabel=label, ylabel="data x tensor x pipeline")
        figure = axes.figure
        figure.set_size_inches(WIDTH, 1.5 + 0.28 * len(plans))
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)

    return picture(draw, f"plan {name}")

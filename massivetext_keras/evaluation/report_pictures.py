"""Pictures of an evaluation, in the colours of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from massivetext_keras.evaluation.significance import Interval
from massivetext_keras.evaluation.tuning import Trial
from massivetext_keras.pages.pictures import (
    FAINT,
    FIRST,
    SECOND,
    WIDTH,
    counting,
    logarithmic,
    picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def intervals(measures: Mapping[str, Interval]) -> str:
    """SVG: a point and a line for each measure."""

    def draw(axes: Axes) -> None:
        names = list(measures)[::-1]
        for row, name in enumerate(names):
            value, low, high = measures[name]
            axes.plot([low, high], [row, row], color=FIRST, lw=2, solid_capstyle="butt")
            axes.plot([value], [row], "o", color=FIRST, ms=6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.grid(axis="x", color=FAINT, alpha=0.3, lw=0.6)
        axes.figure.set_size_inches(WIDTH, 0.7 + 0.28 * len(names))

    return picture(draw, "intervals")


def sureness(right: Sequence[float], wrong: Sequence[float]) -> str:
    """SVG: how many right and wrong answers had which probability."""

    def draw(axes: Axes) -> None:
        edges = [i / 20 for i in range(21)]
        sides = [list(right), list(wrong)]
        colours, labels = [FIRST, SECOND], ["right", "wrong"]
        axes.hist(sides, edges, stacked=True, color=colours, label=labels, rwidth=0.9)
        least = min([*right, *wrong])
        axes.set(
            xlabel="probability", ylabel="answers", xlim=(0.05 * (least // 0.05), 1)
        )
        counting(axes.yaxis)
        axes.legend(frameon=False)

    return picture(draw, "sureness")


def trials(done: Sequence[Trial], name: str) -> str:
    """SVG: the score of each trial by one setting, larger with more budget."""

    def draw(axes: Axes) -> None:
        good = [trial for trial in done if trial.score is not None]
        most = max(trial.budget for trial in good)
        sizes = [12 + 50 * trial.budget / most for trial in good]
        values = [trial.values[name] for trial in good]
        numbers = all(type(value) in (int, float) for value in values)
        places = values if numbers else [str(value) for value in values]
        scores = [trial.score for trial in good]
        axes.scatter(places, scores, sizes, color=FIRST, alpha=0.7, lw=0)
        axes.set(xlabel=name, ylabel="score")
        if numbers and min(values) > 0 and max(values) > 20 * min(values):
            axes.set_xscale("log")
            logarithmic(axes, "x", "{:g}".format)
        axes.grid(color=FAINT, alpha=0.3, lw=0.6)

    return picture(draw, f"trials {name}")

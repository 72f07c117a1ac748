"""One page about an evaluation that can be read anywhere, and the same as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from massivetext_keras.evaluation import report_pictures
from massivetext_keras.evaluation.cross_validation import CrossValidation
from massivetext_keras.evaluation.significance import (
    LOWER_IS_BETTER,
    Comparison,
    Interval,
)
from massivetext_keras.evaluation.tuning import Search
from massivetext_keras.pages.render import Bar, Name, Section, Shade, Tile, render
from massivetext_keras.support.files import replacing_file, write_json

PAGE, DATA = "report.html", "report.json"
_TEMPLATE = "evaluation/report.html"
_WORST = 20  # examples that are shown
_MOST_CLASSES = 40  # of a confusion matrix that is shown whole
_MOST_MISTAKES = 15
_TILES = 4

Line = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Report:
    """What an evaluation found; what is None or empty has no place on the page.

    Attributes:
        title: of the page.
        measures: numbers by name, the most important first, or intervals; of
            "f1/PER" and "recall/PER" the page makes a row of the class PER.
        about: what was measured, and how: names and values.
        confusion: classes and counts [true, predicted].
        lines: of `massivetext predict`: the fields of an example, its "prediction" and
            its "scores" by name, the most important first. The worst are shown.
        folds: of a cross-validation.
        search: of settings.
        comparisons: of two runs, by measure.
    """

    title: str
    measures: Mapping[str, float | Interval] = dataclasses.field(default_factory=dict)
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    confusion: tuple[Sequence[str], Sequence[Sequence[int]]] | None = None
    lines: Sequence[Line] = ()
    folds: CrossValidation | None = None
    search: Search | None = None
    comparisons: Mapping[str, Comparison] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found: dict[str, Any] = {"title": self.title, "about": dict(self.about)}
        found["measures"] = {
            name: x._asdict() if isinstance(x, Interval) else {"value": x}
            for name, x in self.measures.items()
        }
        if self.confusion is not None:
            classes, counts = self.confusion
            rows = [[int(count) for count in row] for row in counts]
            found["confusion"] = {"classes": list(classes), "counts": rows}
        if self.lines:
            found["examples"] = len(self.lines)
            found["worst"] = [dict(line) for line in worst(self.lines)]
        if self.folds is not None:
            found["folds"] = self.folds.to_dict()
        if self.search is not None:
            found["trials"] = [trial._asdict() for trial in self.search.trials]
            found["best"] = self.search.best._asdict()
        if self.comparisons:
            found["comparisons"] = {k: c._asdict() for k, c in self.comparisons.items()}
        return found


def write_report(report: Report, folder: str | Path) -> Path:
    """Writes `report.html`, one page without scripts, and `report.json`.

    Args:
        report: what to write.
        folder: made if missing; its other files stay.

    Returns:
        The page.

    Raises:
        ImportError: matplotlib is not installed.
    """
    folder = Path(folder)
    page, data = _page(report), report.to_dict()
    write_json(folder / DATA, data)
    with replacing_file(folder / PAGE) as draft:
        draft.write_text(page, encoding="utf-8", errors="replace")
    return folder / PAGE


def worst(lines: Sequence[Line], count: int = _WORST) -> list[Line]:
    """The examples with the worst scores; of equal ones, the surest answers first.

    What has the best score of all is not among them, unless all are bad.

    >>> lines = [
    ...     {"text": "a", "prediction": {"score": 0.6}, "scores": {"accuracy": 0.0}},
    ...     {"text": "b", "prediction": {"score": 0.9}, "scores": {"accuracy": 0.0}},
    ...     {"text": "c", "prediction": {"score": 0.7}, "scores": {"accuracy": 1.0}},
    ... ]
    >>> [line["text"] for line in worst(lines)]
    ['b', 'a']
    """
    scored = [line for line in lines if line.get("scores")]
    if not scored:
        return []
    best = max(map(_goodness, scored))
    if best >= 1.0 or best > min(map(_goodness, scored)):
        scored = [line for line in scored if _goodness(line) < best]
    return sorted(scored, key=lambda x: (_goodness(x), -(sureness(x) or 0.0)))[:count]


def score_of(line: Line) -> float:
    """The most important of its scores."""
    return float(next(iter(line["scores"].values())))


def _goodness(line: Line) -> float:
    lower = next(iter(line["scores"])) in LOWER_IS_BETTER
    return -score_of(line) if lower else score_of(line)


def sureness(line: Line) -> float | None:
    """The probability of its answer, where it has one."""
    prediction = line.get("prediction")
    score = prediction.get("score") if isinstance(prediction, Mapping) else None
    return score if isinstance(score, float) else None


def _page(report: Report) -> str:
    sections = (
        Section("Measures", "measures", _measures(report)),
        Section("Classes", "classes", _classes(report)),
        Section("Confusion", "confusion", _confusion(report)),
        Section("Two runs", "comparison", _comparisons(report)),
        Section("Cross-validation", "folds", _folds(report)),
        Section("Search", "search", _search(report)),
        Section("How sure it was", "sureness", _sureness(report)),
        Section("The worst answers", "worst", _worst(report)),
        Section("How it was made", "made", _made(report)),
    )
    first = list(_means(report).items())[:_TILES]
    tiles = [Tile(_number(_value(x)), name, _around(x)) for name, x in first]
    return render(_TEMPLATE, report.title, tiles, sections, "Made by massivetext_keras")


def _means(report: Report) -> dict[str, float | Interval]:
    """The measures that are not of one class."""
    return {name: x for name, x in report.measures.items() if "/" not in name}


def _measures(report: Report) -> dict[str, Any]:
    measures = _means(report)
    if not measures:
        return {}
    intervals = {k: x for k, x in measures.items() if isinstance(x, Interval)}
    rows = [
        (None, [Name(name), _number(_value(x)), *(_bounds(x) if intervals else [])])
        for name, x in measures.items()
    ]
    shares = {k: x for k, x in intervals.items() if abs(x.value) <= 1.0}
    others = {k: x for k, x in intervals.items() if k not in shares}
    drawn = [
        report_pictures.intervals(some)
        for some in (shares, others)  # on scales of their own
        if some
    ]
    return {"rows": rows, "has_bounds": bool(intervals), "pictures": drawn}


def _classes(report: Report) -> dict[str, Any]:
    table: dict[str, dict[str, float]] = {}
    for name, x in report.measures.items():
        measure, slash, label = name.partition("/")
        if slash:
            table.setdefault(label, {})[measure] = _value(x)
    if not table:
        return {}
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = [
        (
            None,
            [
                label,
                *(_number(row[n]) if n in row else "" for n in names),
                Bar(((row.get(names[0], 0.0), "kept"),), 1.0),
            ],
        )
        for label, row in table.items()
    ]
    heads = ["class", *(f"#{name}" for name in names), "="]
    return {"heads": heads, "rows": rows}


def _confusion(report: Report) -> dict[str, Any]:
    if report.confusion is None:
        return {}
    classes, counts = report.confusion
    mistakes = sorted(
        (-int(count), true, predicted)
        for true, row in zip(classes, counts, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        if count and true != predicted
    )
    found: dict[str, Any] = {"classes": classes, "matrix": [], "mistakes": []}
    if len(classes) <= _MOST_CLASSES:
        found["matrix"] = _matrix(classes, counts)
    if len(classes) > 2:
        found["mistakes"] = [
            (None, [true, said, -count])
            for count, true, said in mistakes[:_MOST_MISTAKES]
        ]
    return found if found["matrix"] or found["mistakes"] else {}


def _matrix(
    classes: Sequence[str], counts: Sequence[Sequence[int]]
) -> list[tuple[str, list[Shade]]]:
    """Counts on the colour of their share of the row, by the true class."""
    return [
        (
            name,
            [
                Shade(
                    int(count),
                    55 * int(count) / max(sum(row), 1),
                    "kept" if i == j else "dropped",
                )
                for j, count in enumerate(row)
            ],
        )
        for i, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]


def _comparisons(report: Report) -> dict[str, Any]:
    rows = []
    for name, found in report.comparisons.items():
        low, high = found.interval or (None, None)
        numbers = (found.first, found.second, found.difference, low, high)
        cells = ["" if x is None else _number(x) for x in numbers]
        rows.append((None, [Name(name), *cells, _number(found.p_value)]))
    return {"rows": rows} if rows else {}


def _folds(report: Report) -> dict[str, Any]:
    if report.folds is None:
        return {}
    mean, spread = report.folds.mean(), report.folds.spread()
    names = [name for name in mean if "/" not in name]
    rows: list[tuple[str | None, list]] = [
        (None, [str(i + 1), size, *(_number(fold.get(n)) for n in names)])
        for i, (size, fold) in enumerate(
            zip(report.folds.sizes, report.folds.folds, strict=True)
        )
    ]
    total = sum(report.folds.sizes)
    rows.append(("total", ["mean", total, *(_number(mean[n]) for n in names)]))
    rows.append((None, ["spread", "", *(_number(spread[n]) for n in names)]))
    heads = ("fold", "#held out", *(f"#{n}" for n in names))
    return {"heads": heads, "rows": rows}


def _search(report: Report) -> dict[str, Any]:
    if report.search is None:
        return {}
    trials = report.search.trials
    best, names = report.search.best, list(report.search.best.values)
    rows = [
        (
            "total" if trial.number == best.number else None,
            [
                str(trial.number),
                *(_shown(trial.values[name]) for name in names),
                trial.budget,
                trial.error or _number(trial.score),
                f"{trial.seconds:.0f} s",
            ],
        )
        for trial in trials
    ]
    heads = ("trial", *(f"#{n}" for n in names), "#budget", "#score", "#-time")
    drawn = [(name, report_pictures.trials(trials, name)) for name in names]
    return {"heads": heads, "rows": rows, "pictures": drawn}


def _sureness(report: Report) -> dict[str, Any]:
    sides: tuple[list[float], list[float]] = [], []
    for line in report.lines:
        if not line.get("scores") or (sure := sureness(line)) is None:
            continue
        if (score := score_of(line)) not in (0.0, 1.0):
            return {}
        sides[int(score)].append(sure)
    wrong, right = sides
    if not wrong and not right:
        return {}
    picture = report_pictures.sureness(right, wrong)
    return {"picture": picture, "right": len(right), "wrong": len(wrong)}


def _worst(report: Report) -> dict[str, Any]:
    examples = [_example(line) for line in worst(report.lines)]
    return {"examples": examples} if examples else {}


def _example(line: Line) -> dict[str, Any]:
    fields = {k: v for k, v in line.items() if k not in ("prediction", "scores")}
    name = next(iter(line["scores"]))
    prediction = line.get("prediction")
    said = prediction if isinstance(prediction, Mapping) else {"it": prediction}
    # Long texts last, which are the first of the fields.
    rows = [f"said {name}: {_shown(value)}" for name, value in said.items()]
    rows += [f"{name}: {_shown(value)}" for name, value in reversed(fields.items())]
    score = f"{name} {_number(score_of(line))}"
    return {"score": score, "sureness": sureness(line), "text": "\n".join(rows)}


def _made(report: Report) -> dict[str, Any]:
    rows = [(None, [name, _shown(value)]) for name, value in report.about.items()]
    return {"rows": rows} if rows else {}


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(x: float | Interval) -> float:
    return x.value if isinstance(x, Interval) else x


def _bounds(x: float | Interval) -> list[str]:
    return [_number(x.low), _number(x.high)] if isinstance(x, Interval) else ["", ""]


def _around(x: float | Interval) -> str:
    return f"{_number(x.low)} to {_number(x.high)}" if isinstance(x, Interval) else ""


def _number(x: float | None) -> str:
    """Four places of a share, fewer of a larger number."""
    if x is None:
        return ""
    return f"{x:.4f}" if abs(x) < 2 else f"{x:,.2f}"

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
from massivetext_keras.pages.elements import (
    Html,
    bar_of,
    breakable,
    figure_of,
    page_of,
    table_of,
    tag,
    tiles_of,
)
from massivetext_keras.support.files import replacing_file, write_json

PAGE, DATA = "report.html", "report.json"
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
        ("Measures", "measures", _measures(report)),
        ("Classes", "classes", _classes(report)),
        ("Confusion", "confusion", _confusion(report)),
        ("Two runs", "comparison", _comparisons(report)),
        ("Cross-validation", "folds", _folds(report)),
        ("Search", "search", _search(report)),
        ("How sure it was", "sureness", _sureness(report)),
        ("The worst answers", "worst", _worst(report)),
        ("How it was made", "made", _made(report)),
    )
    first = list(_means(report).items())[:_TILES]
    summary = tiles_of((_number(_value(x)), name, _around(x)) for name, x in first)
    return page_of(report.title, summary, sections, "Made by massivetext_keras")


def _means(report: Report) -> dict[str, float | Interval]:
    """The measures that are not of one class."""
    return {name: x for name, x in report.measures.items() if "/" not in name}


def _measures(report: Report) -> list[Html]:
    measures = _means(report)
    rows = [
        (None, [breakable(name), _number(_value(x)), *_bounds(x)])
        for name, x in measures.items()
    ]
    if not rows:
        return []
    table = table_of(("measure", "#value", "#from", "#to"), rows)
    intervals = {k: x for k, x in measures.items() if isinstance(x, Interval)}
    if not intervals:
        return [table_of(("measure", "#value"), [(None, c[:2]) for _, c in rows])]
    note = "From and to: where the value may lie with other examples of the same kind."
    caption = "Values and their intervals"
    shares = {k: x for k, x in intervals.items() if abs(x.value) <= 1.0}
    others = {k: x for k, x in intervals.items() if k not in shares}
    drawn = [
        figure_of(report_pictures.intervals(some), caption)
        for some in (shares, others)  # on scales of their own
        if some
    ]
    return [tag("p", note, class_="soft"), table, *drawn]


def _classes(report: Report) -> list[Html]:
    table: dict[str, dict[str, float]] = {}
    for name, x in report.measures.items():
        measure, slash, label = name.partition("/")
        if slash:
            table.setdefault(label, {})[measure] = _value(x)
    if not table:
        return []
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = [
        (
            None,
            [
                label,
                *(_number(row[n]) if n in row else "" for n in names),
                bar_of((row.get(names[0], 0.0), "kept"), whole=1.0),
            ],
        )
        for label, row in table.items()
    ]
    heads = ["class", *(f"#{name}" for name in names), "="]
    return [table_of(heads, rows)]


def _confusion(report: Report) -> list[Html]:
    if report.confusion is None:
        return []
    classes, counts = report.confusion
    mistakes = sorted(
        (-int(count), true, predicted)
        for true, row in zip(classes, counts, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        if count and true != predicted
    )
    parts = []
    if len(classes) <= _MOST_CLASSES:
        note = "Rows are what is true, columns what was said."
        parts = [tag("p", note, class_="soft"), _matrix(classes, counts)]
    if mistakes and len(classes) > 2:
        rows = [(None, [t, p, -count]) for count, t, p in mistakes[:_MOST_MISTAKES]]
        parts += [
            tag("h3", "Most frequent mistakes"),
            table_of(("true", "said", "#examples"), rows),
        ]
    return parts


def _matrix(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """Counts on the colour of their share of the row."""

    def cell(count: int, whole: int, right: bool) -> Html:
        share = 100 * int(count) / max(whole, 1)
        colour = "kept" if right else "dropped"
        mixed = f"color-mix(in srgb, var(--{colour}) {share * 0.55:.1f}%, transparent)"
        return tag("td", f"{count:,}", class_="number", style=f"background: {mixed}")

    heads = [tag("th", ""), *(tag("th", name, class_="number") for name in classes)]
    rows = [
        tag(
            "tr",
            tag("th", name),
            *(cell(n, sum(row), i == j) for j, n in enumerate(row)),
        )
        for i, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    return tag("div", table, class_="wide")


def _comparisons(report: Report) -> list[Html]:
    rows = []
    for name, found in report.comparisons.items():
        low, high = found.interval or (None, None)
        numbers = (found.first, found.second, found.difference, low, high)
        cells = ["" if x is None else _number(x) for x in numbers]
        rows.append((None, [breakable(name), *cells, _number(found.p_value)]))
    heads = ("measure", "#first", "#second", "#difference", "#from", "#to", "#p")
    note = "p: how often runs that are equally good differ at least as much."
    return [tag("p", note, class_="soft"), table_of(heads, rows)] if rows else []


def _folds(report: Report) -> list[Html]:
    if report.folds is None:
        return []
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
    return [table_of(("fold", "#held out", *(f"#{n}" for n in names)), rows)]


def _search(report: Report) -> list[Html]:
    if report.search is None:
        return []
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
    drawn = [
        figure_of(report_pictures.trials(trials, name), f"Score by {name}")
        for name in names
    ]
    return [table_of(heads, rows), tag("div", *drawn, class_="pictures")]


def _sureness(report: Report) -> list[Html]:
    lines = [x for x in report.lines if x.get("scores") and sureness(x) is not None]
    sides: tuple[list[float], list[float]] = [], []
    for line in lines:
        if (score := score_of(line)) not in (0.0, 1.0):
            return []
        sides[int(score)].append(sureness(line))
    if not lines:
        return []
    wrong, right = sides
    caption = f"{len(right):,} right and {len(wrong):,} wrong answers, by probability"
    return [figure_of(report_pictures.sureness(right, wrong), caption)]


def _worst(report: Report) -> list[Html]:
    return [_example(line) for line in worst(report.lines)]


def _example(line: Line) -> Html:
    fields = {k: v for k, v in line.items() if k not in ("prediction", "scores")}
    name = next(iter(line["scores"]))
    sure = sureness(line)
    facts = [tag("b", f"{name} {_number(score_of(line))}")]
    facts += [f" · probability {sure:.3f}"] if sure is not None else []
    prediction = line.get("prediction")
    said = prediction if isinstance(prediction, Mapping) else {"it": prediction}
    # Long texts last, which are the first of the fields.
    rows = [f"said {name}: {_shown(value)}" for name, value in said.items()]
    rows += [f"{name}: {_shown(value)}" for name, value in reversed(fields.items())]
    facts = tag("div", *facts, class_="facts")
    return tag("div", facts, tag("pre", "\n".join(rows)), class_="sample")


def _made(report: Report) -> list[Html]:
    rows = [(None, [name, _shown(value)]) for name, value in report.about.items()]
    return [table_of(("what", ""), rows)] if rows else []


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
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

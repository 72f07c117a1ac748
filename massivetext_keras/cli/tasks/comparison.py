"""The verb that compares two runs, by files of `predict`."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from massivetext_keras.cli.flags import Given, UsageError, given, verb
from massivetext_keras.cli.settings import Preset, TaskName
from massivetext_keras.cli.shell.results import Result, table
from massivetext_keras.cli.tasks.examples import Options, task_of
from massivetext_keras.support.values import UnknownName, choose

_ANSWERS = ("prediction", "scores", "score")
_EXCHANGES = 10  # of plain scores, for each resample of the bootstrap


@verb("compare")
def compare(
    first: str,
    second: str,
    *,
    measure: str | None = None,
    preset: Preset | None = None,
    task: TaskName | None = None,
    option: Options = (),
    draws: Given = given(
        "massivetext_keras.evaluation.significance:paired_bootstrap", "samples", "seed"
    ),
    report: Annotated[str | None, "folder for a page about it"] = None,
) -> Result:
    """Say whether one run is better than another.

    Takes two files of `predict`. p is that of approximate randomization: how often runs
    that are equally good differ at least as much, in as many exchanges as there are
    samples, ten times as many of plain scores. The interval of the difference is that
    of the paired bootstrap.

    Args:
        first: file of `predict`.
        second: file of `predict`, on the same examples.
        measure: which of the scores (default: the first), or of the measures of
            --preset.
        preset: whose task measures resamples as a whole, for what is no mean over
            examples, such as the F1 of entities or BLEU.

    Examples:
        massivetext compare a.jsonl b.jsonl --measure=accuracy
    """
    from massivetext_keras import evaluation

    runs = _Run.read(first), _Run.read(second)
    _check_same(*runs)
    examples = len(runs[0].lines)
    if preset:
        name, *compared = _measured(
            task_of(preset=preset, task=task, option=option), runs, measure
        )
        factor = 1
    else:
        name, *compared = _scores(runs, measure)
        factor = _EXCHANGES
    bootstrap = evaluation.paired_bootstrap(*compared, **draws)
    draws["samples"] = factor * bootstrap.samples
    exchanged = evaluation.approximate_randomization(*compared, **draws)
    wins = bootstrap.wins
    if wins is not None and name in evaluation.LOWER_IS_BETTER:
        wins = 1 - wins
    found = bootstrap._replace(p_value=exchanged.p_value, wins=wins)
    if report:
        about = {"first": first, "second": second, "examples": examples}
        page = evaluation.Report(
            f"{Path(first).stem} and {Path(second).stem}",
            about={**about, "samples": bootstrap.samples},
            comparisons={name: found},
        )
        evaluation.write_report(page, report)
    within = ""
    if found.interval is not None:
        within = " ({:+.4f} to {:+.4f})".format(*found.interval)
    shown = {
        "examples": examples,
        "measure": name,
        "first": found.first,
        "second": found.second,
        "difference": f"{found.difference:+.4f}{within}",
        "p": found.p_value,
        "second is better": f"{found.wins:.1%} of resamples",
    }
    record = {"measure": name, "examples": examples, **found._asdict()}
    return Result(table(shown), record)


class _Run(NamedTuple):
    """A file of `predict`, and its lines."""

    path: str
    lines: list[dict[str, Any]]

    @classmethod
    def read(cls, path: str) -> _Run:
        lines = []
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, text in enumerate(file, 1):
                try:
                    line = json_format.loads(text)
                except json_format.JSONDecodeError as error:
                    raise ValueError(f"{path}:{number}: not JSON ({error})") from None
                if not isinstance(line, dict):
                    raise ValueError(f"{path}:{number}: not an object")
                lines.append(line)
        if not lines:
            raise ValueError(f"{path}: there is no line")
        return cls(path, lines)

    def examples(self, task) -> list:
        """The example of each line."""
        found = []
        for number, line in enumerate(self.lines, 1):
            try:
                found.append(task.example(_fields(line)))
            except ValueError as error:
                raise ValueError(f"{self.path}:{number}: {error}") from None
        return found

    def answers(self) -> list:
        """The prediction of each line."""
        for number, line in enumerate(self.lines, 1):
            if "prediction" not in line:
                raise ValueError(
                    f"{self.path}:{number}: no 'prediction': no file of `predict`"
                )
        return [line["prediction"] for line in self.lines]


def _fields(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in _ANSWERS}


def _check_same(first: _Run, second: _Run) -> None:
    if len(first.lines) != len(second.lines):
        raise ValueError(
            f"{first.path} has {len(first.lines):,} lines, "
            f"{second.path} {len(second.lines):,}"
        )
    pairs = zip(first.lines, second.lines, strict=True)
    for number, (one, other) in enumerate(pairs, 1):
        if _fields(one) != _fields(other):
            raise ValueError(
                f"{second.path}:{number}: another example than in {first.path}"
            )


def _measured(task, runs: Sequence[_Run], wanted: str | None) -> tuple:
    """A measure's name, the answers of both runs, the examples, and what measures."""
    examples = runs[0].examples(task)
    sides = [run.answers() for run in runs]
    name = wanted or next(iter(task.scores(examples, sides[0])))

    def measure(predictions: list, references: list) -> float:
        return choose("measure", name, task.scores(references, predictions))

    return name, *sides, examples, measure


def _scores(
    runs: Sequence[_Run], name: str | None
) -> tuple[str, list[float], list[float]]:
    """A name, and each example's score of it in both files."""
    sides = []
    for path, lines in runs:
        scores: list[float] = []
        for number, line in enumerate(lines, 1):
            found = line.get("scores")
            if found is None and "score" in line:
                found = {"score": line["score"]}
            if not found:
                raise ValueError(
                    f"{path}:{number}: no 'scores': the example does not say what its "
                    "answer should be"
                )
            name = name or next(iter(found))
            try:
                scores.append(float(choose("measure", name, found)))
            except UnknownName as error:
                raise UsageError(f"{path}:{number}: {error}") from None
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}:{number}: {error}") from None
        sides.append(scores)
    first, second = sides
    return name or "", first, second

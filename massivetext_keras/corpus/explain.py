"""What each step of a recipe measures of a document, and decides."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massivetext_keras.corpus.batch import Batch, left_empty, reasons
from massivetext_keras.pages.aligned import aligned
from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.read import read

# name, function of a batch, arguments; as `Recipe.bound` gives them
Step = tuple[str, Callable, Mapping[str, Any]]

_DIFFERENCES = 6  # lines shown of each change
_WIDTH = 88  # characters of such a line
_MOST_COMPARED = 2000  # lines; longer texts are told by their lengths alone
_FIELDS = ("kind", "language", "url")


@dataclass
class Finding:
    """A check of a document.

    Attributes:
        check: its name.
        value: what was measured; None where the rule does not hold for the document,
            or was not asked.
        bounds: what is kept, "" if all is.
        kept: whether the value is within them.
    """

    check: str
    value: float | None
    bounds: str
    kept: bool


@dataclass
class StepFound:
    """What a step did to a document.

    Attributes:
        step: its name.
        checks: in the order in which they decide.
        characters: of the text before and after, if the step changed it.
        changes: lines that were taken away, after "- ", and put there, after "+ ".
        fields: what else of the document is new: name -> value.
        failure: the error that the step raised; a build quarantines the document.
    """

    step: str
    checks: list[Finding] = field(default_factory=list)
    characters: tuple[int, int] | None = None
    changes: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None


@dataclass
class Explanation:
    """What a recipe makes of a document; `str` of it is for people.

    Attributes:
        source, position, subset: where the document is from.
        characters: of its text, as it was read.
        reason: of its drop, None where it is kept.
        steps: all of the recipe, those after the drop too.
        text: in the end.
    """

    source: str
    position: int
    subset: str
    characters: int
    reason: str | None = None
    steps: list[StepFound] = field(default_factory=list)
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        cells: list[Sequence[str]] = [("step", "check", "value", "kept if", "")]
        dropped = None
        for found in self.steps:
            decides = dropped is None and self._decides(found)
            cells += _cells(found, self.reason if decides else None)
            dropped = found.step if decides else dropped
        where = [self.source or "text"]
        where += [f"document {self.position:,}"] if self.source else []
        where += [self.subset] if self.subset else []
        end = f"dropped: {self.reason}" if self.reason else "kept"
        if dropped and dropped != self.steps[-1].step:
            end += "; a build goes no further"
        lines = [f"{', '.join(where)}: {self.characters:,} characters"]
        lines += ["", *aligned(cells, right=[2])] if self.steps else []
        return "\n".join([*lines, "", end])

    def _decides(self, found: StepFound) -> bool:
        return self.reason is not None and self.reason.startswith(f"{found.step}.")


def explain(
    path: str | Path, steps: Sequence[Step], reading: Mapping[str, Any] | None = None
) -> Iterator[Explanation]:
    """What a recipe makes of each document of a file.

    Args:
        path: of the file, in any format that a build reads.
        steps: of the recipe, as `Recipe.bound` gives them.
        reading: arguments of `reading.read.read`.

    Returns:
        An explanation of each document; what cannot be read has a reason and no steps.

    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("Write to ada@example.org")
    >>> from massivetext_keras.corpus.rules.personal_data import personal_data
    >>> [found] = explain(path, [("personal_data", personal_data, {"max_spans": 0})])
    >>> print(found)
    a.txt, document 0: 24 characters
    <BLANKLINE>
    step           check  value  kept if
    personal_data  spans      1  <= 0     DROP
                   24 -> 28 characters
                   - Write to ada@example.org
                   + Write to |||EMAIL_ADDRESS|||
                   personal_data: {'email': 1}
    <BLANKLINE>
    dropped: personal_data.spans
    """
    for row in read(str(path), **(reading or {})):
        if isinstance(row, Problem):
            reason = f"read.{row.reason}" + (f" ({row.detail})" if row.detail else "")
            yield Explanation(row.source, row.position, "", 0, reason)
        else:
            yield explain_document(row, steps)


def explain_document(document: Document, steps: Sequence[Step]) -> Explanation:
    """What a recipe makes of one document, which stays as it is.

    Args:
        document: as it is read.
        steps: of the recipe, as `Recipe.bound` gives them.
    """
    document = copy.deepcopy(document)
    explanation = Explanation(
        document.source, document.position, document.subset, len(document.text)
    )
    for name, function, arguments in steps:
        found = _taken(document, name, function, arguments)
        explanation.steps.append(found)
        failed = next((one.check for one in found.checks if not one.kept), None)
        if explanation.reason is None and (failed or found.failure):
            explanation.reason = f"{name}.{failed}" if failed else "quarantine.document"
    explanation.text = document.text
    return explanation


def _taken(
    document: Document, name: str, function: Callable, arguments: Mapping[str, Any]
) -> StepFound:
    """Takes a document through a step."""
    before, batch = copy.deepcopy(document), Batch([document])
    try:
        checks = [*function(batch, **arguments), *left_empty(batch)]
    except Exception as error:  # as in a build, it ends the document and not the run
        return StepFound(name, failure=f"{type(error).__name__}: {error}")
    findings = []
    for check in checks:
        value = float(check.values[0])
        kept = reasons([check], 1) == [None]
        known = None if math.isnan(value) else value
        findings.append(Finding(check.name, known, check.bounds, kept))
    found = StepFound(name, findings)
    if document.text != before.text:
        found.characters = (len(before.text), len(document.text))
        if before.kind != "html":
            found.changes = _differences(before.text, document.text)
    shown = {finding.check for finding in findings}
    for key in _FIELDS:
        if getattr(document, key) != getattr(before, key):
            found.fields[key] = getattr(document, key)
    for key, value in document.columns.items():
        if key not in shown and before.columns.get(key) != value:
            found.fields[key] = value
    return found


def _differences(before: str, after: str) -> list[str]:
    """The first lines that differ, each from shortly before it does."""
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > _MOST_COMPARED:
        return []
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    lines = []
    for kind, *(start, end), first, last in changes:
        if kind == "equal":
            continue
        for one, other in itertools.zip_longest(old[start:end], new[first:last]):
            at = _first_difference(one or "", other or "")
            lines += [_cut("- ", one, at), _cut("+ ", other, at)]
    shown = [line for line in lines if line is not None]
    more = len(shown) - _DIFFERENCES
    return [*shown[:_DIFFERENCES], *([f"… {more:,} lines more"] if more > 0 else [])]


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cut(sign: str, line: str | None, at: int) -> str | None:
    """A line from a little before a place, as far as it fits."""
    if line is None:
        return None
    start = max(at - _WIDTH // 3, 0) if len(line) > _WIDTH else 0
    piece = line[start : start + _WIDTH]
    if start + _WIDTH >= len(line):  # spaces at the end are seen
        bare = piece.rstrip(" ")
        piece = bare + "·" * (len(piece) - len(bare))
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in piece)
    end = "…" if start + _WIDTH < len(line) else ""
    return sign + ("…" if start else "") + shown + end


def _cells(found: StepFound, reason: str | None) -> list[Sequence[str]]:
    """Rows of a table; those of two cells are notes below the checks."""
    rows: list[Sequence[str]] = []
    for one in found.checks:
        verdict = "keep" if one.bounds and one.value is not None else ""
        if not one.kept:
            verdict = "DROP" if reason == f"{found.step}.{one.check}" else "fails"
        value = "not measured" if one.value is None else _number(one.value)
        step = "" if rows else found.step
        rows.append((step, one.check, value, one.bounds, verdict))
    notes = list(found.changes)
    if found.characters:
        notes.insert(0, "{:,} -> {:,} characters".format(*found.characters))
    notes += [f"{name}: {value}" for name, value in found.fields.items()]
    if found.failure:
        notes.append(f"failed: {found.failure}")
    if not rows and not notes:
        notes.append("nothing to do")
    for note in notes:
        rows.append(("" if rows else found.step, note))
    return rows


def _number(value: float) -> str:
    """Whole numbers with separators, others with four digits.

    >>> _number(1234.0), _number(0.123456), _number(1234.56)
    ('1,234', '0.1235', '1,235')
    """
    if value == int(value) if math.isfinite(value) else False:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

"""Answers to texts that differ in what should not matter, such as a name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from massivetext_keras.evaluation.significance import Interval
from massivetext_keras.tasks.classification.labels import Classification
from massivetext_keras.tasks.classification.task import TextClassifier

_Z = 1.96  # of 95 %


class Flips(NamedTuple):
    """How many answers to changed texts are others.

    Attributes:
        rate: of pairs whose answers differ, and the interval (Wilson, 1927) in which it
            may lie with other pairs of the kind, 95 %.
        changed: (text, changed text, answer, answer to the changed text) of each.
        count: pairs.
    """

    rate: Interval
    changed: list[tuple[str, str, str, str]]
    count: int  # type: ignore[assignment]  # hides that of tuple


def flips(task: TextClassifier, pairs: Sequence[tuple[str, str]]) -> Flips:
    """What a change that should not matter, such as of a name, does to answers.

    Args:
        task: with one label for a text.
        pairs: texts, and what became of each.

    Raises:
        ValueError: there are none, or the task has no labels to compare.
    """
    pairs = [(str(one), str(other)) for one, other in pairs]
    if not pairs:
        raise ValueError("pairs: there are none")
    before, after = (_labels(task, texts) for texts in zip(*pairs, strict=True))
    changed = [
        (*pair, one, other)
        for pair, one, other in zip(pairs, before, after, strict=True)
        if one != other
    ]
    return Flips(wilson(len(changed), len(pairs)), changed, len(pairs))


def filled(
    templates: Iterable[str], groups: Mapping[str, Sequence[str]]
) -> list[tuple[str, str, str]]:
    """Texts of templates in which "{}" is a word of a group: (group, word, text).

    Raises:
        ValueError: a template has no place for a word.

    >>> filled(["{} is a nurse"], {"f": ["Ann"], "m": ["Bob"]})
    [('f', 'Ann', 'Ann is a nurse'), ('m', 'Bob', 'Bob is a nurse')]
    """
    templates = [*templates]
    for template in templates:
        if "{}" not in template:
            raise ValueError(f"{template!r} has no {{}} for a word")
    return [
        (group, word, template.replace("{}", word))
        for template in templates
        for group, words in groups.items()
        for word in words
    ]


def by_group(
    task: TextClassifier,
    templates: Iterable[str],
    groups: Mapping[str, Sequence[str]],
    label: str,
) -> dict[str, Interval]:
    """How often a label is given, by the group whose word stands in a template.

    Args:
        task: with one label for a text.
        templates: texts with "{}" for a word.
        groups: words by group, such as names.
        label: whose rate is told.

    Returns:
        Rates with 95 % intervals (Wilson, 1927), by group.

    Raises:
        ValueError: a template has no place for a word, or the label is unknown.
    """
    if label not in task.labels:
        raise ValueError(f"label {label!r} is none of {', '.join(task.labels)}")
    rows = filled(templates, groups)
    found = _labels(task, [text for *_, text in rows])
    return {
        group: wilson(
            sum(
                x == label for x, (g, *_) in zip(found, rows, strict=True) if g == group
            ),
            sum(g == group for g, *_ in rows),
        )
        for group in groups
    }


def wilson(hits: int, count: int) -> Interval:
    """A rate with its 95 % interval (Wilson, 1927).

    >>> [round(x, 3) for x in wilson(0, 10)]
    [0.0, 0.0, 0.278]
    """
    rate, square = hits / count, _Z**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    half = _Z * spread / (1 + square / count)
    return Interval(rate, max(middle - half, 0.0), min(middle + half, 1.0))


def _labels(task: TextClassifier, texts: Sequence[str]) -> list[str]:
    """The label of each text.

    Raises:
        ValueError: the task says something else of texts.
    """
    if task.problem != "single_label":
        raise ValueError(f"answers are compared by label, and these are {task.problem}")
    found = task.classify([*texts])
    return [str(x.label) for x in found if isinstance(x, Classification)]

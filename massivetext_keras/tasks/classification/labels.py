"""What records say of texts: a name, several names, a number, or nothing."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from massivetext_keras.support.values import nearest
from massivetext_keras.tasks.inputs import is_missing, plain, rows_of

SEPARATOR = "|"  # between several labels in a table
WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?")
_BITS = {"0", "1"}

Label = str | tuple[str, ...] | float | None


class Classification(NamedTuple):
    """What a classifier says of a text.

    Attributes:
        label: the most probable one; of a task with several labels, all that are
            probable enough.
        score: its probability; of several labels that of the decision that is least
            sure.
        scores: the probability of every label.
    """

    label: str | tuple[str, ...]
    score: float
    scores: dict[str, float]


def label_of(value: Any) -> Label:
    """A record's label as a `LabeledText` has it; None where there is none.

    Raises:
        ValueError: it is nothing that a label can be.

    >>> label_of("a|b"), label_of([0, 1.0, True]), label_of(float("nan")), label_of(7)
    (('a', 'b'), ('0', '1', '1'), None, '7')
    """
    value = plain(value)
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        with contextlib.suppress(ValueError, SyntaxError):  # a list in a table
            value = ast.literal_eval(value)
    if is_missing(value) or isinstance(value, float):
        return None if is_missing(value) else value
    if isinstance(value, list | tuple) and all(
        isinstance(x, str | int | float) and not is_missing(x) for x in value
    ):
        return tuple(name_of(int(x) if isinstance(x, bool) else x) for x in value)
    if isinstance(value, str | int):
        names = str(value).strip()
        if not names:
            return ()
        return tuple(names.split(SEPARATOR)) if SEPARATOR in names else names
    raise ValueError("a label that is neither a name, a list of names nor a number")


def name_of(label: str | float) -> str:
    """The name of a class that is a number; whole ones are written as such, for a
    column in which one is missing has 1.0 for 1.

    >>> name_of(1.0), name_of(2), name_of("1.0"), name_of(0.5)
    ('1', '2', '1.0', '0.5')
    """
    return (
        str(int(label))
        if isinstance(label, float) and label.is_integer()
        else str(label)
    )


def names_of(label: str | float | tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes that a text has."""
    return label if isinstance(label, tuple) else (name_of(label),)


def joined_names(
    rows: Any, known: Sequence[str], knows: Callable[[Label], bool]
) -> Any:
    """Names of classes as one string for each row; numbers stay what they are.

    Args:
        rows: a name, or several, of each.
        known: all there are.
        knows: whether a label may be a row's.

    Raises:
        ValueError: a name is unknown; names its row and the nearest one.

    >>> joined_names([("a", "b"), "a", ()], ["a", "b"], lambda _: True)
    ['a|b', 'a', '']
    """
    values = list(rows_of(rows))
    if not any(isinstance(x, str) for x in tf.nest.flatten(values)):
        return rows
    names = []
    for i, value in enumerate(values):
        one = isinstance(value, list | tuple) and len(value) == 1
        label = label_of(value[0] if one else value)
        for name in names_of(label) if known and not knows(label) else ():
            if name not in known:
                raise ValueError(f"row {i}: label {name!r}: {nearest(name, known)}")
        names.append(SEPARATOR.join(names_of(label)))
    return names


def are_numbers(labels: Sequence[Label]) -> bool:
    """Whether labels of `label_of` are to be learnt as numbers: all are, and one or
    more has a fraction. Others are names of classes (scikit-learn decides so too).

    >>> are_numbers(["1", 2.5]), are_numbers([1.0, 0.0]), are_numbers(["1", "2"])
    (True, False, False)
    """
    numbers = []
    for label in labels:
        if isinstance(label, str):
            if not (WHOLE.fullmatch(label) or _DECIMAL.fullmatch(label)):
                return False
            label = float(label)
        if not isinstance(label, float):
            return False
        numbers.append(label)
    return any(not number.is_integer() for number in numbers)


def problem_of(labels: Sequence[Label]) -> tuple[tuple[str, ...], str]:
    """The classes, and the kind of problem, that labels are: see `TextClassifier`.

    Args:
        labels: of `label_of`, None left out.

    >>> problem_of(["x", ("c", "x")]), problem_of([0.5, 1.0])
    ((('c', 'x'), 'multi_label'), ((), 'regression'))
    """
    if are_numbers(labels):
        return (), "regression"
    if size := multi_hot_size(labels):
        return tuple(f"LABEL_{i}" for i in range(size)), "multi_label"
    names = {name for label in labels for name in names_of(label)}
    several = any(isinstance(label, tuple) and label for label in labels)
    return tuple(sorted(names)), "multi_label" if several else "single_label"


def multi_hot_size(labels: Sequence[Label]) -> int:
    """How many labels there are if all are told by a list of 0 and 1, one for each; 0
    if they are told otherwise.

    >>> multi_hot_size([("0", "1", "0"), ("1", "1", "0")]), multi_hot_size([("0",)])
    (3, 0)
    """
    sizes = {len(label) if isinstance(label, tuple) else 0 for label in labels}
    if len(sizes) != 1 or max(sizes) < 2:
        return 0
    return max(sizes) if all({*label} <= _BITS for label in labels) else 0


def from_multi_hot(label: tuple[str, ...], labels: Sequence[str]) -> tuple[str, ...]:
    """The names that a list of 0 and 1 means, where it is one for these labels.

    >>> from_multi_hot(("0", "1"), ["a", "b"]), from_multi_hot(("0",), ["0", "1"])
    (('b',), ('0',))
    """
    if len(label) != len(labels) or not {*label} <= _BITS or _BITS & {*labels}:
        return label
    return tuple(name for name, bit in zip(labels, label, strict=True) if bit == "1")

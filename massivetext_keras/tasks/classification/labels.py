"""What one record says of a text: a name, several names, a number, or nothing."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from massivetext_keras.tasks.inputs import is_missing, plain

SEPARATOR = "|"  # between several labels in a table
WHOLE = re.compile(r"[+-]?\d+")
BITS = {"0", "1"}
HINT = ": it is what a column 'label' says, or another that columns label=NAME names"

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
    if isinstance(value, str):
        value = value.strip()
        if value[:1] == "[" and value[-1:] == "]":
            value = _list_in(value)
    if isinstance(value, Decimal):
        value = float(value)
    if is_missing(value) or isinstance(value, float):
        return None if is_missing(value) else value
    if isinstance(value, list | tuple) and all(
        isinstance(x, str | int | float) and not is_missing(x) for x in value
    ):
        if any(isinstance(x, float) and not x.is_integer() for x in value):
            raise ValueError("a list with fractions, where 0 and 1, or names, can be")
        return tuple(name_of(int(x) if isinstance(x, bool) else x) for x in value)
    if isinstance(value, str | int):
        names = str(value)
        if not names:
            return ()
        return tuple(names.split(SEPARATOR)) if SEPARATOR in names else names
    raise ValueError("a label that is neither a name, a list of names nor a number")


def _list_in(text: str) -> Any:
    """The list that a cell of a table holds, as JSON, Python or NumPy write it, or else
    the text.

    >>> _list_in("[true, false]"), _list_in("['a']"), _list_in("[0. 1.]")
    ([True, False], ['a'], [0.0, 1.0])
    """
    for read in (json.loads, ast.literal_eval, _numbers_in):
        with contextlib.suppress(ValueError, SyntaxError):
            return read(text)
    return text


def _numbers_in(text: str) -> list[float]:
    return [float(number) for number in text[1:-1].split()]


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
    if isinstance(label, tuple | list):
        return tuple(map(name_of, label))
    return (name_of(label),)


def from_multi_hot(label: tuple[str, ...], labels: Sequence[str]) -> tuple[str, ...]:
    """The names that a list of 0 and 1 means, where it is one for these labels.

    >>> from_multi_hot(("0", "1"), ["a", "b"]), from_multi_hot(("0",), ["0", "1"])
    (('b',), ('0',))
    """
    if len(label) != len(labels) or not {*label} <= BITS or BITS & {*labels}:
        return label
    return tuple(name for name, bit in zip(labels, label, strict=True) if bit == "1")

"""What labels are, told by all of a data set: missing, numbers, 0 and 1, or classes.

A single label does not say it: "NA" is a missing number beside 0.5 and a class beside
"EU", and "1.0" is the class 1 unless another label has a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from massivetext_keras.tasks.classification.labels import (
    BITS,
    HINT,
    WHOLE,
    Label,
    label_of,
    name_of,
    names_of,
)
from massivetext_keras.tasks.inputs import is_missing

# What pandas reads as a missing number, in any case of letters.
_MISSING = {"", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind"}
_MISSING |= {"1.#qnan", "<na>", "n/a", "na", "nan", "none", "null"}
_NUMERAL = re.compile(
    r"[+-]?((\d+(\.\d*|,\d+)?|[.,]\d+)(e[+-]?\d+)?|inf(inity)?)", re.IGNORECASE
)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def read_column(labels: Sequence[Label]) -> list[Label]:
    """Labels of `label_of` as the labels of one data set mean them.

    Beside lists of 0 and 1 (multi-hot) what says nothing is missing, None. Beside
    numbers words such as "NA" and "null" are missing, and numbers that are whole are
    written without a point; what is blank stays, for it may mean "no class". A comma is
    that of decimals where no number has a point, and one or more cannot be thousands.
    Beside words all stay as they are.

    >>> read_column(["0.5", "NA", "1e-3"]), read_column(["EU", "NA", "1.0"])
    (['0.5', None, '1e-3'], ['EU', 'NA', '1.0'])
    >>> read_column(["1.0", "2", ()]), read_column([("0", "1"), ()])
    (['1', '2', ()], [('0', '1'), None])
    >>> read_column(["0,5", "1,500"]), read_column(["1,000", "1,500"])
    (['0.5', '1.500'], ['1,000', '1,500'])
    """
    labels = [label_of(x) if isinstance(x, list) else x for x in labels]
    distinct = set(labels)
    said = {label for label in distinct if not says_nothing(label)}
    if multi_hot_size(said):
        meant = dict.fromkeys(distinct - said)
    elif are_numerals(said):
        meant = dict.fromkeys(x for x in distinct - said if x not in ((), ""))
        meant |= {x: _plain(x) for x in said if isinstance(x, str | tuple)}
    else:
        meant = dict.fromkeys(filter(is_missing, distinct))
    return [meant.get(label, label) for label in labels]


def says_nothing(label: Label) -> bool:
    """Whether a label is none, blank, or a word for a number that is missing.

    >>> [says_nothing(x) for x in (None, (), "n/a", "0", 0.0, ("na",))]
    [True, True, True, False, False, False]
    """
    if isinstance(label, str):
        return label.casefold() in _MISSING
    if isinstance(label, float):
        return label != label  # NaN
    return label == () or is_missing(label)


def are_numerals(labels: Collection[Label]) -> bool:
    """Whether all names in labels, one or more, are numbers; see `read_column`.

    >>> are_numerals(["1e-3", 2.0]), are_numerals(["1", "a"]), are_numerals([])
    (True, False, False)
    """
    written = [label for label in labels if isinstance(label, str | tuple)]
    names = [name for label in written for name in names_of(label)]
    if not labels or not all(map(_NUMERAL.fullmatch, names)):
        return False
    commas = [name for name in names if "," in name]
    if not commas:
        return True
    points = len(written) < len(labels) or any("." in name for name in names)
    return not points and not all(map(_THOUSANDS.fullmatch, commas))


def problem_of(labels: Sequence[Label]) -> tuple[tuple[str, ...], str]:
    """The classes, and the kind of problem, that labels are: see `TextClassifier`.

    Numbers are learnt as such if one or more has a fraction; others are names of
    classes (scikit-learn decides so too).

    Args:
        labels: of `label_of`.

    Raises:
        ValueError: none says anything.

    >>> problem_of(["x", ("c", "x")]), problem_of(["0.5", None, "1", ()])
    ((('c', 'x'), 'multi_label'), ((), 'regression'))
    >>> problem_of([1.0, "0"]), problem_of([("0", "1"), ()])
    ((('0', '1'), 'single_label'), (('LABEL_0', 'LABEL_1'), 'multi_label'))
    """
    said = {x for x in read_column(labels) if x is not None and x not in ((), "")}
    if not said:
        raise ValueError(f"no example has a label{HINT}")
    several = any(isinstance(label, tuple) for label in said)
    one_each = [label for label in said if not isinstance(label, tuple)]
    if not several and are_numerals(said) and any(map(_has_fraction, one_each)):
        return (), "regression"
    if size := multi_hot_size(said):
        return tuple(f"LABEL_{i}" for i in range(size)), "multi_label"
    names = {name for label in said for name in names_of(label)}
    return tuple(sorted(names)), "multi_label" if several else "single_label"


def multi_hot_size(labels: Iterable[Label]) -> int:
    """How many labels there are if all are told by a list of 0 and 1, one for each; 0
    if they are told otherwise.

    >>> multi_hot_size([("0", "1", "0"), ("1", "1", "0")]), multi_hot_size([("0",)])
    (3, 0)
    """
    sizes = set()
    for label in labels:
        if not isinstance(label, tuple) or not {*label} <= BITS:
            return 0
        sizes.add(len(label))
    return max(sizes) if len(sizes) == 1 and max(sizes) > 1 else 0


def _has_fraction(number: str | float) -> bool:
    return float(number) % 1 > 0  # NaN of what is not finite


def _plain(label: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Numbers with a point, and whole ones without; 007 stays."""
    return tuple(map(_number, label)) if isinstance(label, tuple) else _number(label)


def _number(label: str) -> str:
    if WHOLE.fullmatch(label):
        return label
    number = label.replace(",", ".")
    value = float(number)
    return name_of(value) if value.is_integer() else number

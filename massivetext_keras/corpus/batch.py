"""What rules take and give: documents in batches, and checks of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.reading.document import Document


class Batch:
    """Documents that a step looks at together, with views they are measured by.

    A view, such as the words of all texts, is made when a step first asks for it and is
    shared by the steps that follow, until texts change.

    >>> batch = Batch([Document("one"), Document("two")])
    >>> batch.rewrite(["one", "2"])
    >>> batch.texts, len(batch)
    (['one', '2'], 2)
    """

    def __init__(self, documents: Iterable[Document]):
        self.documents = list(documents)
        self._views: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def texts(self) -> list[str]:
        """The texts, in order."""
        return [document.text for document in self.documents]

    def rewrite(self, texts: Sequence[str]) -> None:
        """Gives every document another text; views made before are forgotten."""
        for document, text in zip(self.documents, texts, strict=True):
            document.text = text
        self._views.clear()

    def view(self, make):
        """`make(batch)`, made once for these texts."""
        if make not in self._views:
            self._views[make] = make(self)
        return self._views[make]

    def select(self, kept: Sequence[int]) -> Batch:
        """The documents at some positions, as a batch of their own."""
        return Batch(self.documents[index] for index in kept)


class Check(NamedTuple):
    """One measure of every document of a batch, and which values are kept.

    A step returns its checks in the order in which they decide; the first one that a
    document fails is the reason of its drop. NaN passes: a rule that does not hold for
    a document (one made for spaced words, on Chinese) measures NaN.

    Attributes:
        name: of the measure and of the reason, in snake case.
        values: float [documents].
        at_least, at_most: kept from here, up to here.
        above, below: kept beyond these, which themselves are dropped.

    >>> check = Check("words", np.array([10.0, 50.0, np.nan]), at_least=50)
    >>> check.failed.tolist(), check.bounds
    ([True, False, False], '>= 50')
    """

    name: str
    values: np.ndarray
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def failed(self) -> np.ndarray:
        """bool [documents], true where the value is out of bounds."""
        values = np.asarray(self.values, float)
        failed = np.zeros(values.shape, bool)
        if self.at_least is not None:
            failed |= values < self.at_least
        if self.at_most is not None:
            failed |= values > self.at_most
        if self.above is not None:
            failed |= values <= self.above
        if self.below is not None:
            failed |= values >= self.below
        return failed

    @property
    def bounds(self) -> str:
        """What is kept, for people."""
        named = {
            ">=": self.at_least,
            "<=": self.at_most,
            ">": self.above,
            "<": self.below,
        }
        return " and ".join(
            f"{sign} {value:,g}" for sign, value in named.items() if value is not None
        )


def reasons(checks: Sequence[Check], count: int) -> list[str | None]:
    """The first check that each of `count` documents fails, None where it fails none.

    >>> short = Check("words", np.array([9.0, 90.0]), at_least=50)
    >>> reasons([short], 2)
    ['words', None]
    """
    found: list[str | None] = [None] * count
    for check in checks:
        for index in np.flatnonzero(check.failed):
            found[index] = found[index] or check.name
    return found


def left_empty(batch: Batch) -> list[Check]:
    """The check that a text is left, where a step left some document none.

    >>> [check.failed.tolist() for check in left_empty(Batch([Document(" ")]))]
    [[True]]
    """
    empty = np.array([not text or text.isspace() for text in batch.texts], bool)
    return [Check("empty", empty, at_most=0)] if empty.any() else []


def of_prose(batch: Batch, checks: Sequence[Check]) -> list[Check]:
    """The checks, but NaN for code: what they measure says nothing about it.

    >>> batch = Batch([Document("x = 1", kind="code"), Document("A text.")])
    >>> of_prose(batch, [Check("words", np.array([3, 2]))])[0].values.tolist()
    [nan, 2.0]
    """
    code = np.array([document.kind == "code" for document in batch.documents], bool)
    return [
        check._replace(values=np.where(code, np.nan, np.asarray(check.values, float)))
        for check in checks
    ]

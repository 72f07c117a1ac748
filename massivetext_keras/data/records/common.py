"""What the readers of all formats take and give."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from massivetext_keras.reading.content import not_text
from massivetext_keras.reading.streams import as_utf8, decode_line

logger = logging.getLogger(__name__)

MOST_BYTES = 100_000_000  # of a line
_SEEN = 2**13  # bytes by which a file is known for no text


class Record(NamedTuple):
    """What a file says of one example.

    Attributes:
        fields: values by name.
        where: file and line, for people.
    """

    fields: dict[str, Any]
    where: str


class Problems:
    """What of the examples cannot be used: counted, and said once; or raised at once.

    Args:
        strict: raise the first one.
        most: places that the warning names for each kind of problem.

    >>> problems = Problems()
    >>> for line in (3, 7):
    ...     problems.add(f"a.tsv:{line}", "no label")
    >>> print(problems)
    2 examples left out: no label (2: a.tsv:3, a.tsv:7)
    """

    def __init__(self, strict: bool = False, most: int = 3):
        self.strict, self.most = strict, most
        self.places: dict[str, list[str | None]] = {}
        self.notes: dict[str, list[str]] = {}

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(map(len, self.places.values()))

    def add(self, where: str | None, what: str) -> None:
        """Notes a problem.

        Args:
            where: file and line, if they are known.
            what: the same words for the same kind of problem.

        Raises:
            ValueError: `strict`.
        """
        if self.strict:
            raise ValueError(what if where is None else f"{where}: {what}")
        self.places.setdefault(what, []).append(where)

    def note(self, where: str, what: str) -> None:
        """Notes a problem of an example that can be used nevertheless.

        Args:
            where: file and line.
            what: was wrong, and was done about it.

        Raises:
            ValueError: `strict`.
        """
        if self.strict:
            raise ValueError(f"{where}: {what}")
        self.notes.setdefault(what, []).append(where)

    def log(self) -> None:
        """Warns, if there were any."""
        if self.count or self.notes:
            logger.warning("%s", self)

    def __str__(self) -> str:
        noun = "example" if self.count == 1 else "examples"
        said = []
        if self.count or not self.notes:
            said.append(f"{self.count:,} {noun} left out: {self._kinds(self.places)}")
        if self.notes:
            said.append(f"used nevertheless: {self._kinds(self.notes)}")
        return "; ".join(said)

    def _kinds(self, kinds: Mapping[str, Sequence[str | None]]) -> str:
        said = []
        for what, places in kinds.items():
            named = [place for place in places if place is not None]
            more = [", …"] if len(named) > self.most else []
            where = ", ".join(named[: self.most]) + "".join(more)
            said.append(f"{what} ({len(places):,}{where and ': '}{where})")
        return "; ".join(said)


class Options(NamedTuple):
    """How a file becomes records.

    Attributes:
        path: of the file, as the user spelled it.
        fields: that are wanted, in the order of the columns of a table without a head.
        columns: field -> its name in the file, or its number in a row, from 0.
        encoding: of the file.
        problems: takes what cannot be read.
        all_fields: whether fields that nobody asked for are read where that costs.
    """

    path: str
    fields: tuple[str, ...] = ()
    columns: Mapping[str, str | int] = {}
    encoding: str = "utf-8"
    problems: Problems = Problems(strict=True)
    all_fields: bool = False

    def bad(self, line: int, what: str) -> None:
        """Notes a line that is no record."""
        self.problems.add(f"{self.path}:{line}", what)

    def damaged(self, detail: str) -> None:
        """Notes a damaged part of the file."""
        self.problems.add(None, f"{self.path} is damaged: {detail}")

    def text(self, stream: io.BufferedReader) -> io.BufferedReader:
        """The text of a file in UTF-8.

        Raises:
            ValueError: it is no text.
        """
        if what := not_text(stream.peek(_SEEN), self.encoding):
            raise ValueError(f"{self.path} is no text, but {what}")
        return as_utf8(stream, self.encoding)

    def decoded(self, line: int | None, data: bytes) -> str:
        """The text of a line, or of a whole file; what is not valid in it is noted."""
        text, invalid = decode_line(data)
        self.check_valid(line, invalid)
        return text

    def check_valid(self, line: int | None, invalid: int) -> None:
        """Notes that so many bytes were not valid."""
        if invalid:
            where = self.path if line is None else f"{self.path}:{line}"
            what = f"bytes that are not {self.encoding} became U+FFFD: see encoding"
            self.problems.note(where, what)

    def record(self, line: int, fields: dict[str, Any]) -> Record:
        """The record of a line."""
        return Record(fields, f"{self.path}:{line}")


# (stream, options), or (stream, stream, options) of parallel files
Reader = Callable[..., Iterator[Record]]

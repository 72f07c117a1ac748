"""Rows of CSV (RFC 4180) and TSV, where they begin and what is wrong with them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO, NamedTuple

from massivetext_keras.reading.encodings import buffered, with_newlines
from massivetext_keras.reading.streams import decode_line, lines

DELIMITERS = (",", ";", "\t", "|")
UNCLOSED = "a quotation mark that nothing closes"
_CUT = "an end of a line inside a value that is not in quotation marks"
_BEHIND = "a quotation mark inside a value that is in such marks"
_SEEN = 2**16  # bytes by which a delimiter is known
_ROWS = 20  # rows, at the most
_BLANKS = re.compile(r'"[ \t]+(?=[,;\t|]|\r?\n?$)')


class Row(NamedTuple):
    """A row of a table, or what stands in its place.

    Attributes:
        line: number of its first line, from 1.
        values: text of each column; of a bad row what there is.
        invalid: bytes in it that were not valid and became U+FFFD.
        too_long: whether one of its lines was left out, being too long.
        error: why it is no row (None: it is one).
    """

    line: int
    values: list[str]
    invalid: int = 0
    too_long: bool = False
    error: str | None = None


def separated_rows(
    stream: BinaryIO, delimiter: str, most: int, names: Collection[str] = ()
) -> Iterator[Row]:
    """The rows of a table; those in which nothing stands are passed over.

    TSV has no quotation marks: a tab or a line's end is always one. A comma stands for
    whatever of `DELIMITERS` separates the first rows, with a space behind it if all
    names have one. In a value in quotation marks, those of the text are doubled, or a
    backslash is before them, as some programs write; one before what separates columns
    makes that text, if no row is as wide as the first without. Where neither makes a
    row, its first line is an error, and the rows go on with the next: a mark that
    nothing closes takes no other row with it. Rows may end in `\\r` where `\\n` is in
    quotation marks.

    Args:
        stream: of bytes in UTF-8.
        delimiter: a tab for TSV; anything else is CSV.
        most: bytes of a line; no more are held.
        names: of columns, one of which the first row may have.

    >>> import io
    >>> [
    ...     row[:2]
    ...     for row in separated_rows(io.BytesIO(b'a,"b\\nc"\\n\\nd,e\\n'), ",", 9)
    ... ]
    [(1, ['a', 'b\\nc']), (4, ['d', 'e'])]
    """
    if delimiter == "\t":
        return _tab_rows(stream, most)
    stream = buffered(stream)
    if _ends_in_carriage_returns(stream.peek(_SEEN)):
        stream = with_newlines(stream)
    head = decode_line(stream.peek(_SEEN))[0]
    delimiter = delimiter_of(head, names)
    feed = _Lines(stream, most)
    if head.lower().startswith("sep="):  # of Excel
        next(feed, None)
    first = next(iter(_rows_before_an_error(head, delimiter)), [])
    spaced = len(first) > 1 and all(name.startswith(" ") for name in first[1:])
    how = {"delimiter": delimiter, "skipinitialspace": spaced}
    return _quoted_rows(feed, most, _escaped_in(head, delimiter), how)


def more_columns(width: int) -> str:
    """What to say of a row with more columns than the first one.

    >>> more_columns(2)
    'more than 2 columns'
    """
    return f"more than {width} columns"


def delimiter_of(head: str, names: Collection[str] = ()) -> str:
    """What separates the columns of CSV: of `DELIMITERS` the first that fits, or ",".

    One fits that separates a name of a column from others in the first row, or that
    makes all the first rows as wide as the first; one without spaces behind it rather.

    Args:
        head: the beginning of a table.
        names: of columns, one of which the first row may have.

    >>> delimiter_of("text;label\\nYes, it is;good\\n", ["text"])
    ';'
    >>> delimiter_of("one; two\\n"), delimiter_of("a|b\\nc|d\\n")
    (',', '|')
    """
    line = head.partition("\n")[0].rstrip("\r")
    if line.lower().startswith("sep=") and len(line) == 5:
        return line[4]
    fits = []
    for delimiter in DELIMITERS:
        rows = _rows_before_an_error(head, delimiter)
        first = rows[0] if rows else []
        if len(first) > 1 and {*names} & {*map(str.strip, first)}:
            return delimiter
        if len(rows) > 2 and not head.endswith("\n"):
            rows.pop()  # which may go on
        if len(first) > 1 and len(rows) > 1 and {*map(len, rows)} == {len(first)}:
            # that of a sentence has a space behind it
            spaced = all(cell[:1] == " " for row in rows for cell in row[1:])
            fits.append((spaced, delimiter))
    return min(fits, key=lambda fit: fit[0], default=(False, ","))[1]


def _first_rows(head: str, delimiter: str, **how: Any) -> list[list[str]]:
    """The first rows in which something stands.

    Raises:
        csv.Error: there is what is none among them.
    """
    rows = csv.reader(io.StringIO(head, newline="\n"), delimiter=delimiter, **how)
    return [*itertools.islice(filter(any, rows), _ROWS)]


def _rows_before_an_error(head: str, delimiter: str) -> list[list[str]]:
    try:
        return _first_rows(head, delimiter)
    except csv.Error:  # one with an end of a line in it
        lines = head.partition("\n")[0].replace("\r", "")
        return _first_rows(lines, delimiter)


def _ends_in_carriage_returns(head: bytes) -> bool:
    """Whether rows end in `\\r`, and `\\n` is only in quotation marks."""
    if b"\r" not in head[:-1]:
        return False
    outside = head.split(b'"')[::2]
    return not any(b"\n" in part for part in outside) and any(
        b"\r" in part for part in outside
    )


def _escaped_in(head: str, delimiter: str) -> str:
    """What a backslash stands before in the first rows, if these are some with
    backslashes, and none without: quotation marks, or whatever separates as well."""
    if "\\" not in head:
        return ""
    plain = _widths(head, delimiter, strict=True)
    if plain is None:
        marked = _widths(head, delimiter, strict=True, escapechar="\\")
        return '"' if marked and len({*marked}) == 1 else ""
    if f"\\{delimiter}" not in head or len({*plain}) == 1:
        return ""
    lines = map(_escapes_of(delimiter), io.StringIO(head, newline="\n"))
    apart = _widths("".join(lines), delimiter, strict=True, escapechar="\\")
    return delimiter if apart and len({*apart}) == 1 else ""


def _widths(head: str, delimiter: str, **how: Any) -> list[int] | None:
    """Of the first rows, without the last, which may go on; None if they are none."""
    try:
        *rows, _ = _first_rows(head, delimiter, **how)
    except (csv.Error, ValueError):
        return None
    return [*map(len, rows)]


def _tab_rows(stream: BinaryIO, most: int) -> Iterator[Row]:
    feed = _Lines(stream, most)
    for text in feed:
        values = text.rstrip("\r\n").split("\t")
        if feed.too_long or any(values):
            yield Row(feed.number, values, feed.invalid, feed.too_long)
        feed.begin()


def _quoted_rows(
    feed: _Lines, most: int, escaped: str, how: dict[str, Any]
) -> Iterator[Row]:
    # The limit is the process's; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), most))
    how = {**how, "strict": True}
    delimiter = how["delimiter"]
    plain = csv.reader(feed, **how)
    marked, apart = (
        csv.reader(map(_escapes_of(marks), feed), escapechar="\\", **how)
        for marks in ("", delimiter)
    )
    trimmed = csv.reader(map(_without_blanks, feed), **how)
    orders = {"": (plain, marked), '"': (marked, plain)}
    ways: list[Iterator[list[str]]] = [*orders.get(escaped, (apart, plain))]
    width = 0  # of the first row
    split = f"\\{delimiter}"
    may_escape = True  # until there is one in a row that is as wide as it should be
    while True:
        feed.begin()
        error = None
        try:
            values = next(ways[0])
        except StopIteration:
            return
        except csv.Error as problem:
            values, error = [], str(problem)
        if error or (width and len(values) != width and feed.has("\\")):
            others = [ways[1], trimmed]
            if may_escape and not error and feed.has(split):
                others.append(apart)
            other, way = _read_otherwise(feed, others, width, error, delimiter)
            if way in (apart, ways[1]):  # as the rows that follow, most probably
                ways = [way, ways[0] if way is ways[1] else plain]
            if other:
                width = width or len(other.values)
                yield other
                continue
        elif may_escape and ways[0] is not apart and feed.has(split):
            may_escape = False
        if feed.too_long or any(values):
            width = width or len(values)
            yield Row(feed.first, values, feed.invalid, feed.too_long)


def _read_otherwise(
    feed: _Lines,
    ways: list[Iterator[list[str]]],
    width: int,
    error: str | None,
    delimiter: str,
) -> tuple[Row | None, Iterator | None]:
    """The row with which the feed began, read in another way, and the way; or an error,
    or None for what is as it is.

    The feed stands behind what the row is.
    """
    first, end = feed.first, feed.number
    is_long = error is not None and "field limit" in error
    if is_long and not feed.looks_like_rows(width, delimiter):
        return feed.skip_quoted(), None
    for way in ways:
        feed.go_back()
        try:
            values = next(way)
        except (csv.Error, StopIteration):
            continue  # it is no such row either: the first error says why
        if len(values) == (width or len(values)):
            return Row(first, values, feed.invalid, feed.too_long), way
    feed.go_back()
    for _ in range(1 if error else end - first + 1):
        next(feed)
    if not error:
        return None, None
    if is_long or "unexpected end" in error:
        return Row(first, [], error=UNCLOSED), None
    return Row(first, [], error=_CUT if "new-line" in error else _BEHIND), None


def _without_blanks(line: str) -> str:
    """A line without blanks between a mark and what separates columns."""
    return _BLANKS.sub('"', line)


def _escapes_of(delimiter: str) -> Callable[[str], str]:
    """Makes lines in which a backslash means itself, but before a mark or another, and
    before what separates columns and rows, if that is given."""
    more = re.escape(delimiter) + r"\n" if delimiter else ""
    pattern = re.compile(rf'\\([\\"{more}])?')

    def escapes(line: str) -> str:
        if "\\" not in line:
            return line
        return pattern.sub(lambda match: match[0] if match[1] else "\\\\", line)

    return escapes


class _Lines:
    """Decoded lines for `csv.reader`, and what is to be known of those of a row.

    A row has no more bytes than a line and the limit of a field together.

    Attributes:
        number: of the last line.
        first: number of the first line of the row.
        invalid, too_long: of the lines of the row.
    """

    def __init__(self, stream: BinaryIO, most: int):
        self._lines = lines(stream, most)
        self._held: list[tuple[str, int, bool]] = []
        self._again: deque[tuple[str, int, bool]] = deque()
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """A row begins with the next line."""
        self.first = self.number + 1
        self.too_long, self.invalid = False, 0
        self._held.clear()

    def go_back(self, kept: int = 0) -> None:
        """Stands behind the first lines of the row, as many as are kept."""
        self._again.extendleft(reversed(self._held[kept:]))
        del self._held[kept:]
        self.number = self.first + kept - 1
        self.invalid = sum(invalid for _, invalid, _ in self._held)
        self.too_long = any(too_long for _, _, too_long in self._held)

    def has(self, mark: str) -> bool:
        """Whether the row has a mark."""
        return any(mark in text for text, _, _ in self._held)

    def looks_like_rows(self, width: int, delimiter: str) -> bool:
        """Whether most lines behind the first are rows themselves."""
        lines = (text for text, _, _ in self._held[1:])
        fit = sum(len(row) == width for row in csv.reader(lines, delimiter=delimiter))
        return width > 1 and 2 * fit > len(self._held)

    def skip_quoted(self) -> Row:
        """Passes over the rest of a row whose marks are not closed yet."""
        marks = sum(text.count('"') for text, _, _ in self._held)
        first = self.first
        while marks % 2:
            self._held.clear()
            line = next(self, None)
            if line is None:
                return Row(first, [], error=UNCLOSED)
            marks += line.count('"')
        return Row(first, [], too_long=True)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            entry = self._again.popleft()
        else:
            _, line = next(self._lines)
            entry = ("\n", 0, True) if line is None else (*decode_line(line), False)
        self.number += 1
        self._held.append(entry)
        text, invalid, too_long = entry
        if invalid or too_long:
            self.invalid += invalid
            self.too_long |= too_long
        return text

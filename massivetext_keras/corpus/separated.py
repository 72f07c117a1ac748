"""Rows of CSV (RFC 4180) and TSV, where they begin and what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from massivetext_keras.corpus.streams import decode, lines


class Row(NamedTuple):
    """A row of a table, or what stands in its place.

    Attributes:
        line: number of its first line, from 1.
        values: text of each column; of a bad row what there is.
        invalid: bytes in it that were not valid and became U+FFFD.
        too_long: whether one of its lines was left out, being too long.
        error: why it is no row, in the words of `csv` (None: it is one).
    """

    line: int
    values: list[str]
    invalid: int = 0
    too_long: bool = False
    error: str | None = None


def separated_rows(
    stream: BinaryIO, delimiter: str, most: int, encoding: str = "utf-8"
) -> Iterator[Row]:
    """The rows of a table; those in which nothing stands are passed over.

    TSV has no quotation marks: a tab or a line's end is always one.

    Args:
        stream: of bytes.
        delimiter: a tab for TSV; anything else is CSV.
        most: bytes of a line; no more are held.
        encoding: of the text.

    >>> import io
    >>> [
    ...     row[:2]
    ...     for row in separated_rows(io.BytesIO(b'a,"b\\nc"\\n\\nd,e\\n'), ",", 9)
    ... ]
    [(1, ['a', 'b\\nc']), (4, ['d', 'e'])]
    """
    feed = _Lines(stream, most, encoding)
    if delimiter == "\t":
        rows = (line.rstrip("\r\n").split("\t") for line in feed)
    else:
        # The limit is the process's; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), most))
        rows = csv.reader(feed, delimiter=delimiter)
    while True:
        feed.begin()
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(feed.first, [], feed.invalid, feed.too_long, str(error))
            continue
        if feed.too_long or any(values):
            yield Row(feed.first, values, feed.invalid, feed.too_long)


class _Lines:
    """Decoded lines for `csv.reader`, and what is to be known of those of a row."""

    def __init__(self, stream: BinaryIO, most: int, encoding: str):
        self._lines = lines(stream, most)
        self._encoding = encoding
        self._number = 0
        self.begin()

    def begin(self) -> None:
        """A row begins with the next line."""
        self.first = self._number + 1
        self.too_long, self.invalid = False, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self._number, line = next(self._lines)
        if line is None:
            self.too_long = True
            return "\n"
        text, invalid = decode(line, self._encoding)
        self.invalid += invalid
        return text

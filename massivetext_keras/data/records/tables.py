"""Records that are rows: CSV, TSV, JSON and Parquet."""

from __future__ import annotations

import io
import itertools
import logging
import re
import string
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from massivetext_keras.data.records.common import MOST_BYTES, Options, Record
from massivetext_keras.data.records.conversations import with_messages
from massivetext_keras.data.records.squad import is_squad, json_value, squad_records
from massivetext_keras.reading.formats.parquet import values_of
from massivetext_keras.reading.json_values import parse_json, shape_of
from massivetext_keras.reading.separated import more_columns, separated_rows
from massivetext_keras.reading.streams import (
    DamagedFile,
    buffered,
    decode_line,
    lines,
    read_whole,
)
from massivetext_keras.support.values import nearest

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[^\W\d]\w*")  # that a column may have
_OBJECTS = re.compile(rb"\}\s*\n\s*\{")  # of JSON, on lines of their own
_SEEN = 2**13  # bytes by which the kind of a file is known
_TOO_LONG = f"more than {MOST_BYTES:,} bytes"


def read_separated(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[Record]:
    """Reads rows of CSV (RFC 4180) or TSV, which has no quotation marks."""
    rows = _rows(stream, options, delimiter)
    first = next(rows, None)
    if first is None:
        return
    number, names = first
    head = _is_head(names, options)
    places = _places(names, head, options)
    if not head:
        rows = itertools.chain([first], rows)
        if len(names) > 1 and all(map(_NAME.fullmatch, names)):
            logger.warning(
                "%s:%d, %s, was read as an example; if it names columns, say which are "
                "wanted: columns such as %s=%s",
                options.path,
                number,
                " ".join(map(repr, names)),
                *(options.fields[:1] or ("text",)),
                names[0],
            )
    for number, row in rows:
        missing = [name for name, place in places.items() if place >= len(row)]
        if missing:
            options.bad(number, f"{len(row)} columns, no {missing[0]!r}")
            continue
        if any(row[len(names) :]):  # a text with a tab or comma in it, cut there
            options.bad(number, more_columns(len(names)))
            continue
        yield options.record(number, {n: row[place] for n, place in places.items()})


def _rows(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, values) of every row; bad ones are noted."""
    named = [name for name in options.columns.values() if isinstance(name, str)]
    names = (*named, *options.fields)
    for row in separated_rows(stream, delimiter, MOST_BYTES, names):
        if row.error is not None:
            options.bad(row.line, f"no row of a table: {row.error}")
        elif row.too_long:
            options.bad(row.line, _TOO_LONG)
        else:
            options.check_valid(row.line, row.invalid)
            yield row.line, row.values


def _is_head(row: list[str], options: Options) -> bool:
    """Whether a row names columns: one that is asked for by its name, or the first of
    the fields; or another field, if all else in it may be names too."""
    named = [name for name in options.columns.values() if isinstance(name, str)]
    if named or not options.fields:
        return any(name in row for name in named)
    return options.fields[0] in row or (
        any(name in row for name in options.fields) and all(map(_NAME.fullmatch, row))
    )


def _places(row: list[str], head: bool, options: Options) -> dict[str, int]:
    """Where in a row each field is.

    Raises:
        ValueError: a column is named that the first row does not have.
    """
    taken: dict[str, str | int] = dict(options.columns)
    if head:
        taken = {name: name for name in row} | taken
    elif not taken:
        return dict(zip(options.fields, range(len(row)), strict=False))
    for field, name in taken.items():
        _check_column(field, name, row, options)
        if field in options.fields and row.count(name) > 1:
            raise ValueError(f"{options.path}: columns with one name: {name!r}")
    return {
        field: row.index(name) if isinstance(name, str) else name
        for field, name in taken.items()
    }


def _check_column(
    field: str, name: str | int, names: Iterable[str], options: Options
) -> None:
    """Raises ValueError for a column that a file does not have; numbers are fine."""
    if isinstance(name, str) and name not in names:
        near = nearest(name, names)
        raise ValueError(f"{options.path}: no column {name!r} ({field}): {near}")


def read_lines(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads a text on each line: the first of the fields."""
    name = next(iter(options.fields), "text")
    for number, line in _lines(stream, options):
        yield options.record(number, {name: line.rstrip("\r\n")})


def _lines(stream: BinaryIO, options: Options) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that are too long are noted."""
    for number, line in lines(stream, MOST_BYTES):
        if line is None:
            options.bad(number, _TOO_LONG)
        else:
            yield number, options.decoded(number, line)


def read_json_lines(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads an object of JSON on each line; or a list of objects."""
    stream = buffered(stream)
    head = stream.peek(_SEEN).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"[") and shape_of(head) == "nested":
        yield from read_json(stream, options)
    else:
        yield from objects(_json_values(stream, options), options)


def _json_values(stream: BinaryIO, options: Options) -> Iterator[tuple[int, Any]]:
    for number, line in _lines(stream, options):
        if not line.strip(string.whitespace):
            continue
        try:
            yield number, parse_json(line)
        except (ValueError, RecursionError):
            options.bad(number, "no JSON")


def read_json(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads a list of objects, or what is SQuAD's by its shape; or lines of objects."""
    stream = buffered(stream)
    if shape_of(stream.peek(_SEEN)) == "lines":
        data = read_whole(stream) or b""
        if _OBJECTS.search(data):
            yield from read_json_lines(io.BytesIO(data), options)
            return
        stream = io.BytesIO(data)
    values = json_value(stream, options)
    if is_squad(values):
        yield from squad_records(values, options)
        return
    if isinstance(values, dict):
        is_one = not {"data"} & {*values} and {*options.fields} & {*values}
        values = [values] if is_one else values.get("data")
    if not isinstance(values, list):
        raise ValueError(f"{options.path}: no list of objects")
    yield from objects(enumerate(values, 1), options)


def objects(values: Iterable[tuple[int, Any]], options: Options) -> Iterator[Record]:
    """Records of objects; a column that none of them has is an error in the end."""
    names: dict[str, None] = {}
    for number, value in values:
        if isinstance(value, dict):
            names |= dict.fromkeys(value)
            found = {n: value[c] for n, c in options.columns.items() if c in value}
            value = value | found
            if "messages" in options.fields:
                value = with_messages(value)
            yield options.record(number, value)
        else:
            options.bad(number, "no object of JSON")
    for field, name in options.columns.items() if names else ():
        _check_column(field, str(name), names, options)


def read_parquet(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads rows of Parquet; the number of a row stands for its line."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        wanted = {*options.fields, *options.columns.values()}
        if both := wanted.intersection(twice):
            raise ValueError(f"{options.path}: columns with one name: {min(both)!r}")
        columns = [name for name in names if name not in twice]
        tables = file.iter_batches(1000, columns=columns)
        yield from objects(_rows_of(tables, options), options)
    except (pyarrow.ArrowException, OSError) as error:
        raise DamagedFile(str(error).split("\n")[0]) from error


def _rows_of(tables: Iterable[Any], options: Options) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers, from 1; text that is not valid in them is noted."""
    number = itertools.count(1)
    for table in tables:
        try:
            rows = table.to_pylist()
        except UnicodeDecodeError:
            rows = map(_row, (table.slice(i, 1) for i in range(table.num_rows)))
        for row in rows:
            place = next(number)
            row, invalid = row if isinstance(row, tuple) else (row, 0)
            options.check_valid(place, invalid)
            yield place, row


def _row(table) -> tuple[dict[str, Any], int]:
    """A row some text of which is perhaps not valid, and how many bytes are not."""
    row, invalid = {}, 0
    for name in table.schema.names:
        column = table.column(name)
        try:
            row[name] = column[0].as_py()
        except UnicodeDecodeError:
            value = values_of(column)[0]
            row[name], wrong = (
                decode_line(value) if isinstance(value, bytes) else (None, 1)
            )
            invalid += wrong
    return row, invalid

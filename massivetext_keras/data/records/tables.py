"""Records that are rows: CSV, TSV, JSON and Parquet."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from massivetext_keras.data.records.common import MOST_BYTES, Options, Record
from massivetext_keras.data.records.conversations import (
    MESSAGES,
    SYSTEM,
    with_messages,
)
from massivetext_keras.data.records.squad import is_squad, squad_records
from massivetext_keras.reading.formats.parquet import open_parquet, rows_at_once
from massivetext_keras.reading.json_values import (
    NO_JSON,
    NO_OBJECT,
    TOO_LARGE,
    Found,
    parse_json,
    values_in,
)
from massivetext_keras.reading.separated import more_columns, separated_rows
from massivetext_keras.reading.streams import (
    DamagedFile,
    buffered,
    decode_line,
    lines,
)
from massivetext_keras.support.values import nearest

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[^\W\d]\w*")  # that a column may have
_SEEN = 2**13  # bytes by which the kind of a file is known
_TOO_LONG = f"more than {MOST_BYTES:,} bytes"
_WHOLE = 2**62  # bytes: a file may be one value of JSON
_FAULTS = {
    TOO_LARGE: _TOO_LONG,
    NO_JSON: "no JSON",
    NO_OBJECT: "no object of JSON",
}


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


def _places(row: Sequence[str], head: bool, options: Options) -> dict[str, int]:
    """Where in a row each field is.

    Raises:
        ValueError: a column is named that the first row does not have.
    """
    taken: dict[str, str | int] = dict(options.columns)
    if head:
        taken = {**dict(zip(row, row, strict=True)), **taken}
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
    """Reads an object of JSON on each line; or a list of objects, or of texts."""
    values = values_in(stream, MOST_BYTES, in_lines=True)
    yield from objects(_without_faults(values, options), options)


def read_json(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads objects of JSON, in a list or not, a list of texts, or what is SQuAD's by
    its shape.

    Raises:
        ValueError: the file holds no JSON; or it is an object that has neither one of
            the fields nor a list as its "data".
    """
    stream = buffered(stream)
    head = stream.peek(_SEEN).lstrip(b"\xef\xbb\xbf \t\r\n")
    values = _without_faults(values_in(stream, _WHOLE), options)
    some = [*itertools.islice(values, 2)]
    if not some:
        with contextlib.suppress(ValueError, RecursionError):
            parse_json(head.decode())
            return
        raise ValueError(f"{options.path}: no JSON")
    if len(some) == 1 and head.startswith(b"{"):
        ((_, value),) = some
        if is_squad(value):
            yield from squad_records(value, options)
            return
        some = [*enumerate(_examples_in(value, options), 1)]
    yield from objects(itertools.chain(some, values), options)


def _without_faults(
    values: Iterable[Found], options: Options
) -> Iterator[tuple[int, Any]]:
    """Values of JSON with their numbers; what is none is noted."""
    for found in values:
        if found.fault is not None:
            options.bad(found.number, _FAULTS[found.fault])
            continue
        options.check_valid(found.number, found.invalid)
        yield found.number, found.value


def _examples_in(value: dict[str, Any], options: Options) -> list[Any]:
    """The object of a file, if it is an example, or the list that is its "data"."""
    wanted = _wanted(options)
    if not wanted or wanted & {*value}:
        return [value]
    if not isinstance(value.get("data"), list):
        raise ValueError(f"{options.path}: no list of objects")
    return [item if isinstance(item, dict) else None for item in value["data"]]


def _wanted(options: Options) -> set[str | int]:
    """Names in a file of what is asked for; none if that is all."""
    wanted = {*options.fields, *options.columns.values()}
    return wanted | {*MESSAGES, SYSTEM} if "messages" in wanted else wanted


def objects(values: Iterable[tuple[int, Any]], options: Options) -> Iterator[Record]:
    """Records of objects, and of texts, which are the first of the fields; a column
    that no object has is an error in the end."""
    names: dict[str, None] = {}
    for number, value in values:
        if isinstance(value, dict):
            names |= dict.fromkeys(value)
            found = {n: value[c] for n, c in options.columns.items() if c in value}
            value = value | found
            if "messages" in options.fields:
                value = with_messages(value)
            yield options.record(number, value)
        elif isinstance(value, str):
            yield options.record(number, {next(iter(options.fields), "text"): value})
        else:
            options.bad(number, _FAULTS[NO_OBJECT])
    for field, name in options.columns.items() if names else ():
        _check_column(field, str(name), names, options)


def read_parquet(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads rows of Parquet, of the columns that are wanted; the number of a row stands
    for its line, a time is text, and a group of rows that is damaged a problem."""
    file = open_parquet(stream)
    names = file.schema_arrow.names
    for field, name in options.columns.items():
        _check_column(field, str(name), names, options)
    wanted = _wanted(options)
    twice = {name for name in names if names.count(name) > 1}
    if both := wanted & twice:
        raise ValueError(f"{options.path}: columns with one name: {min(both)!r}")
    if options.all_fields or not options.fields:
        wanted |= {*names}
    columns = [name for name in names if name in wanted and name not in twice]
    yield from objects(_rows_of(rows_at_once(file, columns, 1), options), options)


def _rows_of(
    parts: Iterable[tuple[int, Any]], options: Options
) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers; text that is not valid in them is noted."""
    for number, rows in parts:
        if isinstance(rows, DamagedFile):
            options.damaged(str(rows))
            continue
        for place, row in enumerate(rows, number):
            row, invalid = _decoded(row)
            options.check_valid(place, invalid)
            yield place, row


def _decoded(value: Any) -> tuple[Any, int]:
    """A value with text for bytes, and how many of these were not valid."""
    if isinstance(value, bytes):
        return decode_line(value)
    if isinstance(value, dict):
        pairs = {name: _decoded(item) for name, item in value.items()}
        found = {name: item for name, (item, _) in pairs.items()}
        return found, sum(invalid for _, invalid in pairs.values())
    if isinstance(value, list | tuple):  # pairs of a map
        items = [_decoded(item) for item in value]
        return [item for item, _ in items], sum(invalid for _, invalid in items)
    return value, 0

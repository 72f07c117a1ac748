"""Records that are rows: CSV, TSV, JSON and Parquet."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from massivetext_keras.corpus.separated import separated_rows
from massivetext_keras.corpus.streams import DamagedFile, lines
from massivetext_keras.data.records.common import MOST_BYTES, Options, Record
from massivetext_keras.data.records.squad import is_squad, json_value, squad_records
from massivetext_keras.values import nearest

_TOO_LONG = f"more than {MOST_BYTES:,} bytes"


def read_separated(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[Record]:
    """Reads rows of CSV (RFC 4180) or TSV, which has no quotation marks."""
    rows = _rows(stream, options, delimiter)
    first = next(rows, None)
    if first is None:
        return
    places = _places(first[1], options)
    if not _has_head(first[1], options):
        rows = itertools.chain([first], rows)
    for number, row in rows:
        missing = [name for name, place in places.items() if place >= len(row)]
        if missing:
            options.bad(number, f"{len(row)} columns, no {missing[0]!r}")
            continue
        yield options.record(number, {n: row[place] for n, place in places.items()})


def _rows(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, values) of every row; bad ones are noted."""
    for row in separated_rows(stream, delimiter, MOST_BYTES, options.encoding):
        if row.error is not None:
            options.bad(row.line, f"no row of a table: {row.error}")
        elif row.too_long:
            options.bad(row.line, _TOO_LONG)
        else:
            options.check_valid(row.line, row.invalid)
            yield row.line, row.values


def _has_head(row: list[str], options: Options) -> bool:
    names = [options.columns.get(name, name) for name in options.fields[:1]]
    names += options.columns.values()
    named = [name for name in names if isinstance(name, str)]
    return bool(named) and all(name in row for name in named)


def _places(row: list[str], options: Options) -> dict[str, int]:
    """Where in a row each field is.

    Raises:
        ValueError: a column is named that the first row does not have.
    """
    if not _has_head(row, options):
        for field, name in options.columns.items():
            if isinstance(name, str):
                near = nearest(name, row)
                raise ValueError(
                    f"{options.path}: no column {name!r} ({field}): {near}"
                )
        if options.columns:
            return dict(options.columns)
        return dict(zip(options.fields, range(len(row)), strict=False))
    taken = {name: name for name in row} | options.columns
    return {
        field: row.index(name) if isinstance(name, str) else name
        for field, name in taken.items()
    }


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
    """Reads an object of JSON on each line."""
    for number, line in _lines(stream, options):
        if not line.strip(string.whitespace):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            options.bad(number, "no JSON")
            continue
        yield from _objects([(number, value)], options)


def read_json(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads a list of objects, or what is SQuAD's by its shape."""
    values = json_value(stream, options)
    if is_squad(values):
        yield from squad_records(values, options)
        return
    if isinstance(values, dict):
        values = values.get("data")
    if not isinstance(values, list):
        raise ValueError(f"{options.path}: no list of objects")
    yield from _objects(enumerate(values, 1), options)


def _objects(values: Iterable[tuple[int, Any]], options: Options) -> Iterator[Record]:
    for number, value in values:
        if isinstance(value, dict):
            yield options.record(number, _renamed(value, options))
        else:
            options.bad(number, "no object of JSON")


def _renamed(fields: dict[str, Any], options: Options) -> dict[str, Any]:
    """The fields by the names that are wanted."""
    renamed = {n: fields[c] for n, c in options.columns.items() if c in fields}
    return fields | renamed


def read_parquet(stream: BinaryIO, options: Options) -> Iterator[Record]:
    """Reads rows of Parquet; the number of a row stands for its line."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(stream)
        rows = (row for table in file.iter_batches(1000) for row in table.to_pylist())
        for number, fields in enumerate(rows, 1):
            yield options.record(number, _renamed(fields, options))
    except (pyarrow.ArrowException, OSError) as error:
        raise DamagedFile(str(error).split("\n")[0]) from error

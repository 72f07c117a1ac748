"""Records with fields: lines of JSON, CSV, TSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext_keras.reading.document import Document
from massivetext_keras.reading.formats.common import (
    COLUMNS,
    LANGUAGE_FIELDS,
    TEXT_FIELDS,
    URL_FIELDS,
    Options,
    Problem,
    document_of,
    missing_field,
    problem,
    text_field,
    too_large,
)
from massivetext_keras.reading.formats.json_values import parse_json, raw_objects
from massivetext_keras.reading.separated import more_columns, separated_rows
from massivetext_keras.reading.streams import DamagedFile, decode_line, suffixes
from massivetext_keras.support.extras import need

_ROWS, _ROW_BYTES = 1000, 16_000_000  # of Parquet that are held at once


def read_json_lines(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads objects of JSON: on each line, in a list, or one after the other.

    An object without a text that has a list of objects as its "data" stands for these.
    A bad one is a problem of its own.
    """
    in_lines = suffixes(options.name)[0] in (".jsonl", ".ndjson")
    for where, data in raw_objects(stream, options.max_document_bytes, in_lines):
        if data is None:
            yield too_large(options, where)
        else:
            yield from _of_json(data, options, where)


def _of_json(data: bytes, options: Options, where: str) -> Iterator[Document | Problem]:
    text, invalid = decode_line(data)
    try:
        record = parse_json(text)
    except (ValueError, RecursionError) as error:
        yield problem("bad_record", f"{where}: not JSON: {error}", len(data))
        return
    if not isinstance(record, dict):
        yield problem("bad_record", f"{where}: not an object of JSON", len(data))
        return
    inner = record.get("data")
    if isinstance(inner, list) and text_field(record, options) is None:
        for number, item in enumerate(inner, 1):
            place = f"{where}, data {number}"
            if isinstance(item, dict):
                yield document_of(item, options, place)
            else:
                yield problem("bad_record", f"{place}: not an object of JSON")
        return
    row = document_of(record, options, where)
    if invalid and isinstance(row, Document):
        row.columns["invalid_bytes"] = invalid
    yield row


def read_separated(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[Document | Problem]:
    """Reads rows of CSV or TSV, the first of which names the columns.

    A row that is wider than the first is none: a text with a comma in it was cut there.
    A `text_field` that is a number, such as "1", is a column of a file whose first row
    is a document too.
    """
    wanted = options.text_field
    names = (wanted,) if wanted else tuple(TEXT_FIELDS)
    head = None
    numbered = bool(wanted and wanted.isdecimal())
    for row in separated_rows(stream, delimiter, options.max_document_bytes, names):
        where = f"line {row.line}"
        if row.error is not None:
            yield problem("bad_record", f"{where}: {row.error}")
        elif row.too_long:
            yield too_large(options, where)
        elif head is None and not numbered:
            head = row.values
            if fault := _without_text(head, options):
                yield problem("no_text", f"{where}: {fault}")
                return
        else:
            head = head or [str(index) for index in range(len(row.values))]
            if any(row.values[len(head) :]):
                yield problem("bad_record", f"{where}: {more_columns(len(head))}")
                continue
            found = document_of(
                dict(zip(head, row.values, strict=False)), options, where
            )
            if row.invalid and isinstance(found, Document):
                found.columns["invalid_bytes"] = row.invalid
            yield found


def _without_text(names: list[str], options: Options) -> str | None:
    """What to say of columns of which none, or more than one, holds the text."""
    field = text_field(names, options)
    if field is None:
        return missing_field(names, options)
    count = names.count(field)
    return f"{count} columns are named {field!r}" if count > 1 else None


def read_parquet(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads rows of Parquet, a few megabytes of them at a time.

    Where a group of rows is damaged, reading goes on with the next. A page of a column
    is the least that can be read, so a page of many megabytes is held even if the
    document in it is too large.
    """
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        file = pq.ParquetFile(stream)
        names = list(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(_first_line(error)) from error
    if fault := _without_text(names, options):
        yield problem("no_text", fault)
        return
    field = text_field(names, options)
    wanted = {field, *URL_FIELDS, *LANGUAGE_FIELDS, *COLUMNS}
    columns = [name for name in names if name in wanted and names.count(name) == 1]
    size, number = _rows_at_once(file.metadata), 0
    for group in range(file.metadata.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for table in file.iter_batches(size, row_groups=[group], columns=columns):
                yield from _of_rows(table, field, options, number)
                number += table.num_rows
        except (pa.ArrowException, OSError) as error:
            detail = f"rows {number:,} to {end - 1:,}: {_first_line(error)}"
            yield problem("damaged", detail)
        number = end


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]


def _rows_at_once(metadata) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    largest = max(
        (group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1
    )
    return max(1, min(_ROWS, int(_ROW_BYTES / max(largest, 1))))


def _of_rows(
    table, field: str, options: Options, first: int
) -> Iterator[Document | Problem]:
    """Documents of some rows; what is no text, number or truth is not looked at."""
    columns = {
        name: values_of(table.column(name))
        for name in table.schema.names
        if name == field or is_plain(table.schema.field(name).type)
    }
    for index, row in enumerate(zip(*columns.values(), strict=True), first):
        yield _of_row(dict(zip(columns, row, strict=True)), field, options, index)


def is_plain(kind) -> bool:
    """Whether a type of Arrow is that of texts, bytes, numbers or truths."""
    types = need("pyarrow").types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return not (types.is_nested(kind) or types.is_temporal(kind))


def values_of(column) -> list[Any]:
    """The values of a column; text as bytes, which need not be valid."""
    pa = need("pyarrow")
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        return [list()] * len(column)  # of no use here
    if _is_text(pa.types, column.type):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _is_text(types, kind) -> bool:
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _of_row(
    record: dict[str, Any], field: str, options: Options, number: int
) -> Document | Problem:
    text, invalid = record[field], 0
    if isinstance(text, bytes) and len(text) > options.max_document_bytes:
        return too_large(options, f"row {number}", len(text))
    for name, value in record.items():
        if isinstance(value, bytes):
            record[name], wrong = decode_line(value)
            invalid += wrong
    row = document_of(record, options, f"row {number}")
    if invalid and isinstance(row, Document):
        row.columns["invalid_bytes"] = invalid
    return row

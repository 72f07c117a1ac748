"""Rows of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext_keras.reading.content import is_binary
from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.fields import (
    COLUMNS,
    LANGUAGE_FIELDS,
    URL_FIELDS,
    document_of,
    text_field,
    without_text,
)
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.streams import DamagedFile, decode_line
from massivetext_keras.support.extras import need

_ROWS, _ROW_BYTES = 1000, 16_000_000  # of Parquet that are held at once


@format(
    suffixes=[".parquet"],
    begins=lambda head: head.startswith(b"PAR1") and bool(is_binary(head)),
)
def parquet(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
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
    if fault := without_text(names, options):
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
        return options.too_large(f"row {number}", len(text))
    for name, value in record.items():
        if isinstance(value, bytes):
            record[name], wrong = decode_line(value)
            invalid += wrong
    row = document_of(record, options, f"row {number}")
    if invalid and isinstance(row, Document):
        row.columns["invalid_bytes"] = invalid
    return row

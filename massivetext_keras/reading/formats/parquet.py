"""Rows of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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
    file = open_parquet(stream)
    schema = file.schema_arrow
    names = list(schema.names)
    field, fault = text_field(names, options), without_text(names, options)
    if field is None or fault:
        yield problem("no_text", fault or "")
        return
    wanted = {field, *URL_FIELDS, *LANGUAGE_FIELDS, *COLUMNS}
    is_nested = need("pyarrow").types.is_nested
    columns = [
        name
        for name in names
        if name in wanted and names.count(name) == 1
        if name == field or not is_nested(schema.field(name).type)
    ]
    for number, rows in rows_at_once(file, columns):
        if isinstance(rows, DamagedFile):
            yield problem("damaged", str(rows))
            continue
        for index, row in enumerate(rows, number):
            yield _of_row(row, field, options, index)


def open_parquet(stream: BinaryIO) -> Any:
    """The `ParquetFile` of a stream.

    Raises:
        DamagedFile: it is none.
    """
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        return pq.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(_first_line(error)) from error


def rows_at_once(
    file: Any, columns: list[str], first: int = 0
) -> Iterator[tuple[int, list[dict[str, Any]] | DamagedFile]]:
    """Some rows at a time, or what is wrong with the group that they are in.

    Args:
        file: of `open_parquet`.
        columns: that are read; no other one can harm.
        first: number of the first row.

    Returns:
        The number of the first of the rows, and columns -> values of each; text is
        bytes, which need not be valid, and a time is text.
    """
    most, number = _most_rows(file.metadata), first
    errors = (need("pyarrow").ArrowException, OSError, ValueError, ArithmeticError)
    for group in range(file.metadata.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for table in file.iter_batches(most, row_groups=[group], columns=columns):
                yield number, _rows_of(table)
                number += table.num_rows
        except errors as error:
            detail = f"rows {number:,} to {end - 1:,}: {_first_line(error)}"
            yield number, DamagedFile(detail)
        number = end


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]


def _most_rows(metadata) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    largest = max(
        (group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1
    )
    return max(1, min(_ROWS, int(_ROW_BYTES / max(largest, 1))))


def _rows_of(table) -> list[dict[str, Any]]:
    names = table.schema.names
    if not names:
        return [{} for _ in range(table.num_rows)]
    values = map(_values_of, table.columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _values_of(column) -> list[Any]:
    """The values of a column, of lists and structures too; see `rows_at_once`."""
    pa = need("pyarrow")
    types = pa.types
    if isinstance(column.type, pa.BaseExtensionType):
        return _values_of(column.storage)
    kind = column.type
    if types.is_dictionary(kind):
        return _values_of(column.dictionary_decode())
    if types.is_struct(kind):
        fields = [_values_of(field) for field in column.flatten()]
        names = [kind.field(place).name for place in range(kind.num_fields)]
        rows = zip(*fields, strict=True) if fields else [()] * len(column)
        pairs = zip(rows, column.is_valid().to_pylist(), strict=True)
        return [dict(zip(names, row, strict=True)) if ok else None for row, ok in pairs]
    if types.is_nested(kind) and not (types.is_map(kind) or types.is_union(kind)):
        items = iter(_values_of(column.flatten()))
        sizes = need("pyarrow.compute").list_value_length(column).to_pylist()
        return [size if size is None else [*islice(items, size)] for size in sizes]
    if types.is_temporal(kind):
        return _times_of(column)
    if (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    ):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _times_of(column) -> list[str | None]:
    """Times, dates and durations as text, whatever Python's own can hold."""
    pa = need("pyarrow")
    try:
        return column.cast(pa.string()).to_pylist()
    except pa.ArrowInvalid:  # the zone is unknown
        times = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
        return [text and f"{text}Z" for text in times.to_pylist()]


def _of_row(
    record: dict[str, Any], field: str, options: Options, number: int
) -> Document | Problem:
    text, invalid = record[field], 0
    if isinstance(text, str):
        return problem("no_text", f"row {number}: {field!r} is a time, not text")
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

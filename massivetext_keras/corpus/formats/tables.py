"""Records with fields: lines of JSON, CSV, TSV and Parquet."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext_keras.corpus.documents import Document
from massivetext_keras.corpus.formats.common import (
    COLUMNS,
    LANGUAGE_FIELDS,
    URL_FIELDS,
    Options,
    Problem,
    document_of,
    missing_field,
    problem,
    text_field,
    too_large,
)
from massivetext_keras.corpus.separated import separated_rows
from massivetext_keras.corpus.streams import DamagedFile, decode, lines
from massivetext_keras.extras import need

_LONG_NUMBER = re.compile("[0-9]{19}")
_ROWS, _ROW_BYTES = 1000, 16_000_000  # of Parquet that are held at once


def read_json_lines(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads an object of JSON on each line; a bad line is a problem of its own."""
    for number, line in lines(stream, options.max_document_bytes):
        where = f"line {number}"
        if line is None:
            yield too_large(options, where)
        elif not line.isspace():
            yield _of_json(line, options, where)


def _of_json(line: bytes, options: Options, where: str) -> Document | Problem:
    text, invalid = decode(line)
    try:
        record = _parse(text)
    except (ValueError, RecursionError) as error:
        return problem("bad_record", f"{where}: not JSON: {error}", len(line))
    if not isinstance(record, dict):
        return problem("bad_record", f"{where}: not an object of JSON", len(line))
    row = document_of(record, options, where)
    if invalid and isinstance(row, Document):
        row.columns["invalid_bytes"] = invalid
    return row


def _parse(text: str) -> Any:
    try:
        if not _LONG_NUMBER.search(text):
            return need("orjson").loads(text)
    except ValueError:
        pass
    # Python's parser takes NaN, deeper nesting, halves of surrogate pairs, and all the
    # digits of an integer.
    return _valid(json.loads(text))


def _valid(value: Any) -> Any:
    """The strings of a record with U+FFFD where half of a surrogate pair stood."""
    if isinstance(value, dict):
        return {name: _valid(item) for name, item in value.items()}
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def read_separated(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[Document | Problem]:
    """Reads rows of CSV or TSV, the first of which names the columns.

    A `text_field` that is a number, such as "1", is a column of a file whose first row
    is a document too.
    """
    number, head = options.text_field, None
    most, encoding = options.max_document_bytes, options.encoding
    for row in separated_rows(stream, delimiter, most, encoding):
        where = f"line {row.line}"
        if row.error is not None:
            yield problem("bad_record", f"{where}: {row.error}")
        elif row.too_long:
            yield too_large(options, where)
        elif head is None and not (number and number.isdecimal()):
            head = row.values
            if text_field(head, options) is None:
                yield problem("no_text", f"{where}: {missing_field(head, options)}")
                return
        else:
            names = head or [str(index) for index in range(len(row.values))]
            record = dict(zip(names, row.values, strict=False))
            found = document_of(record, options, where)
            if row.invalid and isinstance(found, Document):
                found.columns["invalid_bytes"] = row.invalid
            yield found


def read_parquet(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads rows of Parquet, a few megabytes of them at a time.

    A page of a column is the least that can be read, so a page of many megabytes is
    held even if the document in it is too large.
    """
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        file = pq.ParquetFile(stream)
        names = file.schema_arrow.names
        field = text_field(names, options)
        if field is None:
            yield problem("no_text", missing_field(names, options))
            return
        wanted = {field, *URL_FIELDS, *LANGUAGE_FIELDS, *COLUMNS}
        columns = [name for name in names if name in wanted]
        row = itertools.count()
        for table in file.iter_batches(_rows_at_once(file.metadata), columns=columns):
            texts = _strings(table[field])
            others = table.drop_columns([field]).to_pylist()
            for text, record in zip(texts, others, strict=True):
                yield _of_row(record | {field: text}, field, options, next(row))
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(str(error).split("\n")[0]) from error


def _rows_at_once(metadata) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    largest = max(
        (group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1
    )
    return max(1, min(_ROWS, int(_ROW_BYTES / max(largest, 1))))


def _strings(column) -> list[Any]:
    """The values of a column; text as bytes, which need not be valid."""
    pa = need("pyarrow")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _of_row(
    record: dict[str, Any], field: str, options: Options, number: int
) -> Document | Problem:
    text, invalid = record[field], 0
    if isinstance(text, bytes):
        if len(text) > options.max_document_bytes:
            return too_large(options, f"row {number}", len(text))
        record[field], invalid = decode(text)
    row = document_of(record, options, f"row {number}")
    if invalid and isinstance(row, Document):
        row.columns["invalid_bytes"] = invalid
    return row

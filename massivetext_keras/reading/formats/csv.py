"""Tables of text: CSV and TSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.fields import TEXT_FIELDS, document_of, without_text
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.separated import Row, more_columns, separated_rows


@format(suffixes=[".csv"], textual=True)
def csv(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads rows of CSV (RFC 4180), whatever separates their columns; see `_rows`."""
    return _rows(stream, options, ",")


@format(suffixes=[".tsv"], textual=True)
def tsv(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads rows of TSV, which has no quotation marks; see `_rows`."""
    return _rows(stream, options, "\t")


def _rows(
    stream: BinaryIO, options: Options, delimiter: str
) -> Iterator[Document | Problem]:
    """Rows of a table, the first of which names the columns.

    A row that is wider than the first is none: a text with a comma in it was cut there.
    A `text_field` that is a number, such as "1", is a column of a file whose first row
    is a document too. A single column needs no name: if its first row is none of the
    usual ones, each row is a text.
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
            yield options.too_large(where)
        elif head is None and not numbered:
            head = row.values
            if fault := without_text(head, options):
                if wanted is not None or len(head) > 1:
                    yield problem("no_text", f"{where}: {fault}")
                    return
                yield _document(["text"], row, options)
                head = ["text"]
        else:
            head = head or [str(index) for index in range(len(row.values))]
            yield _document(head, row, options)


def _document(head: list[str], row: Row, options: Options) -> Document | Problem:
    where = f"line {row.line}"
    if any(row.values[len(head) :]):
        return problem("bad_record", f"{where}: {more_columns(len(head))}")
    found = document_of(dict(zip(head, row.values, strict=False)), options, where)
    if row.invalid and isinstance(found, Document):
        found.columns["invalid_bytes"] = row.invalid
    return found

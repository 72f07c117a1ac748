"""What the readers of all formats take and give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from massivetext_keras.reading.document import Document
from massivetext_keras.support.values import nearest

REASONS = {
    "too_large": "a document of more than max_document_bytes",
    "empty": "a document without text",
    "bad_record": "a record that cannot be parsed",
    "no_text": "a record without the field that holds the text",
    "no_page": "a response of a server that is no page: an error, a picture",
    "damaged": "a file that is not what its suffix says, or a damaged part of it",
    "unreadable": "a file that cannot be opened or read",
    "stopped": "the rest of a file whose reader crashed or hung",
}
TEXT_FIELDS = {  # name -> kind
    "text": "text",
    "content": "text",
    "raw_content": "text",
    "body": "text",
    "document": "text",
    "html": "html",
    "code": "code",
}
URL_FIELDS = ("url", "source_url", "link")
LANGUAGE_FIELDS = ("language", "lang")
COLUMNS = ("title", "date", "timestamp", "author", "id")


class Problem(NamedTuple):
    """What was not read, and why.

    Attributes:
        source: the file, as `Document.source`.
        position: of it among the documents and problems of that file, from 0.
        reason: one of `REASONS`.
        detail: for people, with the line or place in the file where there is one.
        bytes: that were not read, where that is known.
    """

    source: str
    position: int
    reason: str
    detail: str = ""
    bytes: int = 0


class Options(NamedTuple):
    """How records become documents; see `formats.read`."""

    text_field: str | None = None
    max_document_bytes: int = 10_000_000
    max_ratio: float | None = 250
    encoding: str = "utf-8"
    name: str = ""  # of the file


Reader = Callable[[BinaryIO, Options], Iterator[Document | Problem]]


def problem(reason: str, detail: str = "", size: int = 0) -> Problem:
    """A problem whose file and position `formats.read` will fill in."""
    return Problem("", 0, reason, detail, size)


def too_large(options: Options, where: str = "", size: int = 0) -> Problem:
    """The problem of a document that is larger than allowed."""
    detail = f"more than {options.max_document_bytes:,} bytes"
    return problem("too_large", f"{where}: {detail}" if where else detail, size)


def document_of(
    record: Mapping[str, Any], options: Options, where: str
) -> Document | Problem:
    """The document of a record: an object of JSON, a row of a table.

    Args:
        record: field -> value.
        options: of the reader; without a `text_field`, the first of `TEXT_FIELDS` that
            there is.
        where: the record is, for people.

    >>> document_of({"body": "one", "title": "1"}, Options(), "line 1").columns
    {'title': '1'}
    >>> document_of({"texts": "one"}, Options("text"), "line 1").detail
    "line 1: no field 'text': did you mean 'texts'?"
    """
    field = text_field(record, options)
    if field is None:
        return problem("no_text", f"{where}: {missing_field(record, options)}")
    text = record[field]
    if not isinstance(text, str):
        kind = "null" if text is None else type(text).__name__
        return problem("no_text", f"{where}: {field!r} is {kind}, not text")
    columns = {
        name: record[name]
        for name in COLUMNS
        if name != field and isinstance(record.get(name), str | int | float)
    }
    return Document(
        text,
        url=_string(record, URL_FIELDS),
        kind=TEXT_FIELDS.get(field, "text"),
        language=_string(record, LANGUAGE_FIELDS),
        columns=columns,
    )


def text_field(fields, options: Options) -> str | None:
    """Which of some fields holds the text, None if none of them does."""
    wanted = (options.text_field,) if options.text_field else TEXT_FIELDS
    return next((name for name in wanted if name in fields), None)


def missing_field(fields, options: Options) -> str:
    """What to say where no field holds the text."""
    if options.text_field:
        near = nearest(options.text_field, map(str, fields))
        return f"no field {options.text_field!r}: {near}"
    return f"no field {', '.join(TEXT_FIELDS)}; there are {', '.join(map(str, fields))}"


def _string(record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    values = (record.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)

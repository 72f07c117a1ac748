"""Records with fields as documents: which is the text, the address, the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.formats import Options
from massivetext_keras.support.values import nearest

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
COLUMNS = ("title", "date", "timestamp", "author", "id", "license", "licence")


def document_of(
    record: Mapping[str, Any], options: Options, where: str
) -> Document | Problem:
    """The document of a record: an object of JSON, a row of a table.

    Args:
        record: field -> value.
        options: of the reader; without a `text_field`, the first of `TEXT_FIELDS` that
            there is.
        where: the record is, for people.

    >>> record = {"body": "one", "title": "1", "license": "MIT", "other": 2}
    >>> document_of(record, Options(), "line 1").columns
    {'title': '1', 'license': 'MIT'}
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


def without_text(names: Sequence[str], options: Options) -> str | None:
    """What to say of columns of which none, or more than one, holds the text."""
    field = text_field(names, options)
    if field is None:
        return missing_field(names, options)
    count = names.count(field)
    return f"{count} columns are named {field!r}" if count > 1 else None


def _string(record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    values = (record.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)

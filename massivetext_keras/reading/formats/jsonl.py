"""Objects of JSON: on lines, in a list, or one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.fields import document_of, text_field
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.json_values import (
    NO_OBJECT,
    TOO_LARGE,
    Found,
    shape_of,
    values_in,
)
from massivetext_keras.reading.streams import suffixes


@format(
    suffixes=[".jsonl", ".ndjson"],
    named=[".json"],
    textual=True,
    begins=lambda head: shape_of(head) is not None,
)
def jsonl(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads objects of JSON: on each line, in a list, or one after the other.

    An object without a text that has a list of objects as its "data" stands for these,
    and a string in a list of strings is a text. A bad one is a problem of its own.
    """
    in_lines = suffixes(options.name)[0] in (".jsonl", ".ndjson")
    for found in values_in(stream, options.max_document_bytes, in_lines):
        if found.value is not None:
            yield from _of_value(found.value, found, options)
        elif found.fault == TOO_LARGE:
            yield options.too_large(found.where)
        else:
            what = ": ".join(filter(None, [found.fault, found.detail]))
            yield problem("bad_record", f"{found.where}: {what}", found.size)


def _of_value(
    record: dict[str, Any] | str, found: Found, options: Options
) -> Iterator[Document | Problem]:
    if isinstance(record, str):
        record = {"text": record}
    inner = record.get("data")
    if isinstance(inner, list) and text_field(record, options) is None:
        for number, item in enumerate(inner, 1):
            place = f"{found.where}, data {number}"
            if isinstance(item, dict):
                yield document_of(item, options, place)
            else:
                yield problem("bad_record", f"{place}: {NO_OBJECT}")
        return
    row = document_of(record, options, found.where)
    if isinstance(row, Document):
        row.halves = found.halves
        if found.invalid:
            row.columns["invalid_bytes"] = found.invalid
    yield row

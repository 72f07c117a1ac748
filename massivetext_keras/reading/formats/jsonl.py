"""Objects of JSON: on lines, in a list, or one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.fields import document_of, text_field
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.json_values import parsed, raw_objects, shape_of
from massivetext_keras.reading.streams import decode_line, suffixes


@format(
    suffixes=[".jsonl", ".ndjson"],
    named=[".json"],
    textual=True,
    begins=lambda head: shape_of(head) is not None,
)
def jsonl(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads objects of JSON: on each line, in a list, or one after the other.

    An object without a text that has a list of objects as its "data" stands for these.
    A bad one is a problem of its own.
    """
    in_lines = suffixes(options.name)[0] in (".jsonl", ".ndjson")
    for where, data in raw_objects(stream, options.max_document_bytes, in_lines):
        if data is None:
            yield options.too_large(where)
        else:
            yield from _of_json(data, options, where)


def _of_json(data: bytes, options: Options, where: str) -> Iterator[Document | Problem]:
    text, invalid = decode_line(data)
    try:
        record, halves = parsed(text)
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
    if isinstance(row, Document):
        row.halves = halves
        if invalid:
            row.columns["invalid_bytes"] = invalid
    yield row

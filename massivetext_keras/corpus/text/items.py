"""The items of evaluation sets: every string of their files, with where it is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from massivetext_keras.reading.content import not_text
from massivetext_keras.reading.document import Problem
from massivetext_keras.reading.find import find
from massivetext_keras.reading.read import Source, read
from massivetext_keras.reading.separated import separated_rows
from massivetext_keras.reading.streams import (
    as_utf8,
    decode_line,
    lines,
    open_stream,
    suffixes,
)

_MOST_BYTES = 100 << 20  # of a line
_OBJECTS = re.compile(rb"\}\s*\n\s*\{")  # of JSON, on lines of their own
_SEEN = 2**13  # bytes by which the kind of a file is known


def read_items(files: Sequence[str | Path]) -> Iterator[tuple[str, str]]:
    """Reads the texts that a model will be evaluated on.

    Each string is an item of its own: each line of a text file, field of CSV and TSV,
    and string in JSON at any depth, such as the questions and contexts of SQuAD. Of
    other formats each document is one.

    Args:
        files: names, patterns, folders or URLs, as `sources.find` takes them.

    Returns:
        (name, text) of the items: file and line, or the path in a JSON file.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: a file that is not what its suffix says; names file and line.

    >>> path = getfixture("tmp_path") / "quiz.json"
    >>> _ = path.write_text('{"data": [{"question": "Why?", "answers": ["So."]}]}')
    >>> list(read_items([path]))
    [('quiz.json:data[0].question', 'Why?'), ('quiz.json:data[0].answers[0]', 'So.')]
    """
    for source in find(files):
        for where, text in _items(source):
            yield f"{source.name}:{where}", text


def item_files(pattern: str | Path) -> list[str]:
    """The files, or URLs, that `read_items` reads."""
    return [source.path for source in find(pattern)]


def _items(source: Source) -> Iterator[tuple[str, str]]:
    if source.format not in ("text", "jsonl", "csv", "tsv"):
        for row in read(source):
            if isinstance(row, Problem):
                raise ValueError(f"{source.path}: {row.reason} {row.detail}".rstrip())
            yield str(row.position), row.text
        return
    with open_stream(source.path) as stream:
        if what := not_text(stream.peek(_SEEN)):
            raise ValueError(f"{source.path} is no text, but {what}")
        utf8: BinaryIO = as_utf8(stream)
        if suffixes(source.path)[0] == ".json":
            data = utf8.read()
            if not _OBJECTS.search(data):
                value = _parse(decode_line(data)[0], source.path)
                yield from _strings(value, "")
                return
            utf8 = io.BytesIO(data)
        yield from _line_items(source, utf8)


def _line_items(source: Source, stream: BinaryIO) -> Iterator[tuple[str, str]]:
    if source.format == "csv":
        for row in separated_rows(stream, ",", _MOST_BYTES):
            if row.error or row.too_long:
                why = row.error or f"over {_MOST_BYTES >> 20} MB"
                raise ValueError(f"{source.path}:{row.line}: {why}")
            yield from ((str(row.line), field) for field in row.values)
        return
    for number, text in _decoded(source, stream):
        if source.format == "jsonl" and not text.isspace():
            value = _parse(text, f"{source.path}:{number}")
            yield from ((str(number), string) for _, string in _strings(value, ""))
        elif source.format != "jsonl":
            fields = text.split("\t") if source.format == "tsv" else [text]
            yield from ((str(number), field) for field in fields)


def _decoded(source: Source, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, line in lines(stream, _MOST_BYTES):
        if line is None:
            raise ValueError(f"{source.path}:{number}: over {_MOST_BYTES >> 20} MB")
        yield number, decode_line(line)[0]


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON: {error}") from None


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{where}[{index}]")

"""The items of evaluation sets: every string of their files, with where it is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from massivetext_keras.corpus.formats import Problem, Source, read
from massivetext_keras.corpus.sources import find
from massivetext_keras.corpus.streams import decode, lines, open_stream, suffixes

_MOST_BYTES = 100 << 20  # of a line


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
    suffix = suffixes(source.path)[0]
    if suffix == ".json":
        yield from _json_items(source)
    elif source.format in ("text", "jsonl", "csv", "tsv"):
        with open_stream(source.path) as stream:
            yield from _line_items(source, stream)
    else:
        for row in read(source):
            if isinstance(row, Problem):
                raise ValueError(f"{source.path}: {row.reason} {row.detail}".rstrip())
            yield str(row.position), row.text


def _json_items(source: Source) -> Iterator[tuple[str, str]]:
    with open_stream(source.path) as stream:
        value = _parse(stream.read(), source.path)
    yield from _strings(value, "")


def _line_items(source: Source, stream: BinaryIO) -> Iterator[tuple[str, str]]:
    texts = _decoded(source, stream)
    if source.format == "csv":
        rows = csv.reader(text for _, text in texts)
        for row in rows:
            yield from ((str(rows.line_num), field) for field in row)
        return
    for number, text in texts:
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
        yield number, decode(line)[0]


def _parse(text: str | bytes, where: str) -> Any:
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

"""Files in, records out: formats of examples, and all those of corpora."""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

from massivetext_keras.data.records.columns import read_conll, read_conllu
from massivetext_keras.data.records.common import (
    MOST_BYTES,
    Options,
    Problems,
    Reader,
    Record,
)
from massivetext_keras.data.records.conversations import read_conversations
from massivetext_keras.data.records.parallel import read_parallel
from massivetext_keras.data.records.squad import read_squad
from massivetext_keras.data.records.tables import (
    objects,
    read_json,
    read_json_lines,
    read_lines,
    read_parquet,
    read_separated,
)
from massivetext_keras.reading import formats
from massivetext_keras.reading.content import is_binary
from massivetext_keras.reading.document import Problem
from massivetext_keras.reading.find import search, several
from massivetext_keras.reading.formats import by_content, by_suffix
from massivetext_keras.reading.json_values import shape_of
from massivetext_keras.reading.read import rows_of
from massivetext_keras.reading.streams import (
    DamagedFile,
    as_utf8,
    damages,
    open_stream,
    suffixes,
)
from massivetext_keras.support.values import UnknownName, choose, nearest

FORMATS: dict[str, Reader] = {
    "tsv": functools.partial(read_separated, delimiter="\t"),
    "csv": functools.partial(read_separated, delimiter=","),
    "jsonl": read_json_lines,
    "json": read_json,
    "squad": read_squad,
    "parquet": read_parquet,
    "conll": read_conll,
    "conllu": read_conllu,
    "text": read_lines,
    "yaml": read_conversations,
    "parallel": read_parallel,  # two files at a time
}
# Beside those of `reading.formats`; of a list in .json an example is an item
SUFFIXES = {
    ".json": "json",
    **{f".{name}": "conll" for name in ("conll", "bio", "iob", "iob2")},
    ".conllu": "conllu",
    ".yaml": "yaml",
    ".yml": "yaml",
}

_WITHOUT_COLUMNS = ("squad", "conllu", "text", "yaml", "parallel")
_SEEN = 2**13  # bytes by which the kind of a file is known


def read_records(
    files: str | Path | Iterable[str | Path],
    fields: tuple[str, ...] = (),
    format: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    encoding: str = "utf-8",
    problems: Problems | None = None,
    all_fields: bool = False,
) -> Iterator[Record]:
    """Reads records, file by file; a bad line ends nothing.

    Args:
        files: paths, globs and folders; also with .gz, .bz2, .zst, .xz or .br.
        fields: that are wanted, in the order of the columns of a table that has no
            head; a table has one if its first row names a column that is asked for, or
            the first field, or another one and nothing but names.
        format: one of `FORMATS`, or of `reading.formats.FORMATS`, whose documents then
            are records of their text and columns (None: by the suffix of each file); or
            "parallel", of files in pairs, in which lines with the same number belong
            together; of patterns in pairs, the first file of one and the first of the
            other.
        columns: field -> its name in the file, or its number in a row, from 0.
        encoding: of the files; what is not valid becomes U+FFFD, and is noted. A
            byte-order mark says more.
        problems: counts what cannot be read (None: it is raised).
        all_fields: read of Parquet also what is neither of `fields` nor of `columns`.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: format, encoding or a column is unknown, a file is damaged, or,
            where nobody counts problems, the first of them.

    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> _ = path.write_text("good film\\tpositive\\n")
    >>> next(read_records(path, ("text", "label"))).fields
    {'text': 'good film', 'label': 'positive'}
    """
    problems = Problems(strict=True) if problems is None else problems
    columns = dict(columns or {})
    for name in columns:
        if fields and name not in fields:
            raise UnknownName(f"columns: no field {name!r}: {nearest(name, fields)}")
    encoding = _encoding_named(encoding)
    names = several(files)
    found = [sorted(search(name)[0]) for name in names]
    groups = [(path,) for paths in found for path in paths]
    if format == "parallel":
        groups = _in_pairs(names, found)
    for group in groups:
        name = ",".join(map(str, group))
        options = Options(name, fields, columns, encoding, problems, all_fields)
        form = format_of(group[0], format)
        if columns and form in _WITHOUT_COLUMNS:
            raise ValueError(f"{name}: the format {form!r} has no columns to choose")
        try:
            with contextlib.ExitStack() as stack:
                streams = [
                    stack.enter_context(open_stream(path, tolerant=True))
                    for path in group
                ]
                if form not in FORMATS:
                    yield from _documents(streams[0], form, options)
                else:
                    if form != "parquet":
                        streams = [options.text(stream) for stream in streams]
                    yield from FORMATS[form](*streams, options)
                for damage in itertools.chain(*map(damages, streams)):
                    options.damaged(damage.detail)
        except DamagedFile as error:
            raise ValueError(f"{name} is damaged: {error}") from error


def _encoding_named(name: str) -> str:
    """The name by which Python knows an encoding.

    Raises:
        UnknownName: it knows none.
    """
    with contextlib.suppress(LookupError):
        codec = codecs.lookup(name)
        if codec._is_text_encoding:
            return codec.name
    known = {alias.replace("_", "-") for alias in aliases.values()}
    raise UnknownName(f"unknown encoding {name!r}: {nearest(name, known)}")


def _in_pairs(names: list[str | Path], found: list[list[Path]]) -> list[tuple]:
    """Files that belong together, of two names each.

    Raises:
        ValueError: a name, or a file of one, has no other.
    """
    if len(names) % 2:
        raise ValueError(f"parallel files go in pairs, as a.en,a.de: got {len(names)}")
    groups: list[tuple[Path, ...]] = []
    for i in range(0, len(names), 2):
        one, other = found[i], found[i + 1]
        if len(one) != len(other):
            raise ValueError(
                f"parallel files go in pairs: {names[i]} stands for {len(one):,}, "
                f"{names[i + 1]} for {len(other):,}"
            )
        groups += zip(one, other, strict=True)
    return groups


def format_of(path: str | Path, format: str | None = None) -> str:
    """The format of a file: the one that is named, or that of its suffix or content.

    Raises:
        ValueError: it is unknown.

    >>> format_of("a.TSV.gz")
    'tsv'
    """
    if format is not None:
        choose("format", format, FORMATS if format in FORMATS else _all_formats(format))
        return format
    suffix = suffixes(Path(path).name)[0]
    if known := SUFFIXES.get(suffix) or by_suffix(suffix):
        return known
    known = ", ".join(FORMATS)
    fault = f"{path}: unknown suffix {suffix!r}; give a format: {known}"
    with contextlib.suppress(OSError, DamagedFile), open_stream(path) as stream:
        head = stream.peek(_SEEN)
        if what := is_binary(head):
            fault = f"{path} is no text, but {what}"
        as_text = as_utf8(stream).peek(_SEEN)
        if shape_of(as_text) == "nested":
            return "json"
        if found := by_content(head) or by_content(as_text):
            return found
    raise ValueError(fault)


def _all_formats(asked: str) -> Mapping[str, Any]:
    """The formats that there are, those of corpora too."""
    outside = formats.FORMATS
    return outside if ":" in asked else {**outside, **FORMATS}


def _documents(
    stream: io.BufferedReader, form: str, options: Options
) -> Iterator[Record]:
    """Records of the documents of a file: `text`, what else is known of it, columns."""
    how = formats.Options(
        max_document_bytes=MOST_BYTES, encoding=options.encoding, name=options.path
    )

    def values() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, row in enumerate(rows_of(stream, form, how), 1):
            if isinstance(row, Problem):
                options.bad(number, row.detail or row.reason)
                continue
            options.check_valid(number, row.columns.pop("invalid_bytes", 0))
            known = {"url": row.url, "language": row.language}
            known = {name: value for name, value in known.items() if value is not None}
            yield number, {**known, **row.columns, "text": row.text}

    yield from objects(values(), options)

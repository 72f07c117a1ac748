"""One door to all formats of examples."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from massivetext_keras.corpus.sources import search, several
from massivetext_keras.corpus.streams import DamagedFile, open_stream, suffixes
from massivetext_keras.data.records.columns import read_conll, read_conllu
from massivetext_keras.data.records.common import Options, Problems, Reader, Record
from massivetext_keras.data.records.conversations import read_conversations
from massivetext_keras.data.records.parallel import read_parallel
from massivetext_keras.data.records.squad import read_squad
from massivetext_keras.data.records.tables import (
    read_json,
    read_json_lines,
    read_lines,
    read_parquet,
    read_separated,
)
from massivetext_keras.values import choose, nearest

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
SUFFIXES = {
    **{f".{name}": name for name in ("tsv", "csv", "jsonl", "json", "parquet")},
    ".ndjson": "jsonl",
    **{f".{name}": "conll" for name in ("conll", "bio", "iob", "iob2")},
    ".conllu": "conllu",
    ".txt": "text",
    ".yaml": "yaml",
    ".yml": "yaml",
}


def read_records(
    files: str | Path | Iterable[str | Path],
    fields: tuple[str, ...] = (),
    format: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    encoding: str = "utf-8",
    problems: Problems | None = None,
) -> Iterator[Record]:
    """Reads records, file by file; a bad line ends nothing.

    Args:
        files: paths, globs and folders; also with .gz, .bz2 or .zst.
        fields: that are wanted, in the order of the columns of a table that has no
            head; a table has one if its first row names the first of them.
        format: one of `FORMATS` (None: by the suffix of each file); or "parallel", of
            files in pairs, in which lines with the same number belong together.
        columns: field -> its name in the file, or its number in a row, from 0.
        encoding: of the files; what is not valid becomes U+FFFD.
        problems: counts what cannot be read (None: it is raised).

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: the format is unknown, a file is damaged, or, where nobody counts
            problems, the first of them.

    >>> path = getfixture("tmp_path") / "a.tsv"
    >>> _ = path.write_text("good film\\tpositive\\n")
    >>> next(read_records(path, ("text", "label"))).fields
    {'text': 'good film', 'label': 'positive'}
    """
    problems = Problems(strict=True) if problems is None else problems
    columns = dict(columns or {})
    for name in columns:
        if fields and name not in fields:
            raise ValueError(f"columns: no field {name!r}: {nearest(name, fields)}")
    paths = [path for name in several(files) for path in sorted(search(name)[0])]
    groups = [(path,) for path in paths]
    if format == "parallel":
        if len(paths) % 2:
            raise ValueError(f"parallel files go in pairs; there are {len(paths)}")
        groups = list(zip(paths[::2], paths[1::2], strict=True))
    for group in groups:
        name = ",".join(map(str, group))
        options = Options(name, fields, columns, encoding, problems)
        reader = FORMATS[format_of(group[0], format)]
        try:
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(open_stream(path)) for path in group]
                yield from reader(*streams, options)
        except DamagedFile as error:
            raise ValueError(f"{name} is damaged: {error}") from error


def format_of(path: str | Path, format: str | None = None) -> str:
    """The format of a file: the one that is named, or that of its suffix.

    Raises:
        ValueError: it is unknown.

    >>> format_of("a.TSV.gz")
    'tsv'
    """
    if format is not None:
        choose("format", format, FORMATS)
        return format
    suffix = suffixes(Path(path).name)[0]
    if suffix not in SUFFIXES:
        known = ", ".join(FORMATS)
        raise ValueError(f"{path}: unknown suffix {suffix!r}; give a format: {known}")
    return SUFFIXES[suffix]

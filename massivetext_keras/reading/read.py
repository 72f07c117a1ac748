"""Files in, documents out, and what is wrong with the others; whatever their format.

A file never stops a run: what cannot be read, of it or in it, is a `Problem` with a
reason, and reading goes on where that is possible. No more than about
`max_document_bytes` of a file are held at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple, overload

from massivetext_keras.reading.content import not_text
from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.formats import FORMATS, Options, by_content, by_suffix
from massivetext_keras.reading.streams import (
    DamagedFile,
    as_utf8,
    damages,
    first_lines,
    open_stream,
    suffixes,
)
from massivetext_keras.support.arguments import Encoding, Known, Size
from massivetext_keras.support.values import Range, choose, parse_size

_SEEN = 2**13  # bytes of a file by which its kind is known


class Source(NamedTuple):
    """A file to read.

    Attributes:
        path: of the file, or its URL.
        name: relative to where the search for it began; it names the file in the
            corpus, wherever that was built.
        bytes: its size, compressed if it is.
        format: one of `FORMATS`.
    """

    path: str
    name: str
    bytes: int
    format: str


def format_of(name: str, by_name: bool = True) -> str | None:
    """The format of a file by its suffix, with or without that of a compression.

    Args:
        name: of the file.
        by_name: a user named the file or its suffix: then .json is taken for JSON, and
            what is unknown for text.

    >>> format_of("a.CSV.gz"), format_of("picture.png", by_name=False)
    ('csv', None)
    """
    suffix, compression = suffixes(name)
    found = by_suffix(suffix, by_name or bool(compression))
    return found or ("text" if by_name else None)


@overload
def content_of(path: str) -> str: ...
@overload
def content_of(path: str, by_name: bool) -> str | None: ...
def content_of(path: str, by_name: bool = True) -> str | None:
    """The format of a file as `format_of`, or by its content if its suffix is unknown.

    Args:
        path: of the file, or its URL.
        by_name: a user named it; if not, only a file without a suffix is looked at.

    >>> path = getfixture("tmp_path") / "wiki_00"
    >>> _ = path.write_text('{"text": "one"}\\n')
    >>> content_of(str(path))
    'jsonl'
    """
    suffix = suffixes(path)[0]
    known = format_of(path, by_name)
    if by_suffix(suffix, is_named=True) or (suffix and not by_name):
        return known
    try:
        with open_stream(path) as stream:
            raw = stream.peek(_SEEN)
            found = by_content(raw) or by_content(as_utf8(stream).peek(_SEEN))
    except (OSError, DamagedFile):  # the reader says why
        return known
    if found == "html" and not by_name:
        return known
    return found or known


def read(
    source: Source | str,
    *,
    format: Annotated[str, Known(FORMATS)] | None = None,
    subset: str = "",
    text_field: str | None = None,
    max_document_bytes: Size = 10_000_000,
    max_ratio: Annotated[float, Range(least=1)] | None = 250,
    encoding: Encoding = "utf-8",
) -> Iterator[Document | Problem]:
    """Reads the documents of a file, and what is wrong with the others.

    Bytes that are not valid become U+FFFD; `columns["invalid_bytes"]` counts them.
    Everything else of a text is as it is in the file, but for line ends of plain text.

    Args:
        source: a file, or its path or URL.
        format: one of `FORMATS`; None for that of the source, or by suffix or content.
        subset: of the corpus, for the documents.
        text_field: which field of JSON lines, column of a table or number of a column
            (from 0) of CSV and TSV without a head holds the text; None for the first
            that there is of text, content, raw_content, body, document, html, code.
        max_document_bytes: larger documents are problems, and never held in memory; a
            number or such as "10MB".
        max_ratio: bytes that a compressed byte may become; None for any number.
        encoding: of text, code, CSV, TSV and JSON; a byte-order mark says more.

    Returns:
        Documents and problems in the order of the file, `position` numbering both. The
        same file always gives the same.

    Raises:
        ValueError: the format is unknown.

    >>> path = getfixture("tmp_path") / "a.jsonl"
    >>> _ = path.write_text('{"text": "one", "url": "http://a.org"}\\n{"text": 2}\\n')
    >>> for row in read(str(path), subset="web"):
    ...     print(row)
    Document(text='one', subset='web', source='a.jsonl', position=0,
             url='http://a.org', kind='text', language=None, columns={})
    Problem(source='a.jsonl', position=1, reason='no_text',
            detail="line 2: 'text' is int, not text", bytes=0)
    """
    if not isinstance(source, Source):
        name = PurePosixPath(source).name
        source = Source(str(source), name, 0, format or content_of(str(source)))
    format = format or source.format
    choose("format", format, FORMATS)
    most = parse_size(max_document_bytes, "max_document_bytes")
    options = Options(text_field, most, max_ratio, encoding, source.name)
    return _numbered(_survive(source.path, format, options), source, subset, options)


def rows_of(
    stream: io.BufferedReader,
    format: str,
    options: Options,
    max_bytes: int | None = None,
) -> Iterator[Document | Problem]:
    """What the reader of a format gives of a stream, in UTF-8 where it is text.

    Args:
        stream: of `open_stream`.
        format: one of `FORMATS`.
        options: of the reader.
        max_bytes: of text in lines, to stop at the end of the line that they are in.

    Raises:
        NoText: it is binary data, and the format is one of text.
        DamagedFile: nothing more can be read.
    """
    found = FORMATS[format]
    encoding = options.encoding if found.textual else "utf-8"
    if found.is_text and (other := not_text(stream.peek(_SEEN), encoding)):
        raise NoText(f"it is no text, but {other}")
    if found.textual:
        stream = as_utf8(stream, encoding)
        if max_bytes is not None:
            stream = first_lines(stream, max_bytes)
    return found.read(stream, options)


class NoText(DamagedFile):
    """A file of binary data that was to be read as text."""


def _survive(path: str, format: str, options: Options):
    """What a reader gives, and problems at the end where something was damaged."""
    stream = None
    try:
        with open_stream(path, options.max_ratio, tolerant=True) as stream:
            yield from rows_of(stream, format, options)
    except DamagedFile as error:
        yield problem("damaged", str(error))
    except OSError as error:
        yield problem("unreadable", error.strerror or str(error))
    for damage in damages(stream):
        yield problem("damaged", damage.detail)


def _numbered(rows, source: Source, subset: str, options: Options):
    for position, row in enumerate(rows):
        if isinstance(row, Document):
            row = _checked(row, options)
        if isinstance(row, Problem):
            yield row._replace(source=source.name, position=position)
        else:
            row.subset, row.source, row.position = subset, source.name, position
            yield row


def _checked(document: Document, options: Options) -> Document | Problem:
    """The document, or the problem that it is empty or too large."""
    text, most = document.text, options.max_document_bytes
    if not text or text.isspace():
        return problem("empty")
    if 4 * len(text) > most and len(text.encode()) > most:
        return options.too_large(size=len(text.encode()))
    return document

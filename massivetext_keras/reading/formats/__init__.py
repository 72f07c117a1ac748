"""Formats of files: a reader is one function in one file, known by its suffixes.

    @format(suffixes=[".srt"], textual=True)
    def subtitles(stream, options) -> Iterator[Document | Problem]: ...

Those of this folder are known by themselves; those of an installed package by an entry
point of the group `massivetext_keras.formats`; any other, where a format can be named,
as "package.module:function". What a reader gives is the same for a corpus, for
training, for tokenizers and for examples.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.support.registry import Registry

Function = TypeVar("Function", bound=Callable)


class Options(NamedTuple):
    """How the records of a file become documents; see `reading.read.read`.

    Attributes:
        text_field: the field or column that holds the text, None for a usual one.
        max_document_bytes: of a document; a larger one is a problem.
        max_ratio: bytes that a compressed byte may become.
        encoding: of text, if no byte-order mark says another.
        name: of the file.
    """

    text_field: str | None = None
    max_document_bytes: int = 10_000_000
    max_ratio: float | None = 250
    encoding: str = "utf-8"
    name: str = ""

    def too_large(self, where: str = "", size: int = 0) -> Problem:
        """The problem of a document that is larger than allowed."""
        detail = f"more than {self.max_document_bytes:,} bytes"
        return problem("too_large", f"{where}: {detail}" if where else detail, size)


Reader = Callable[[io.BufferedReader, Options], Iterator[Document | Problem]]


class Format(NamedTuple):
    """A format that files have.

    Attributes:
        name: of it.
        read: gives the documents of a stream, and problems; it holds no more than about
            `max_document_bytes` of it.
        suffixes: that files of it have.
        named: suffixes that mean it where a user spelled them or the file is
            compressed: such files are settings of programs more often than documents.
        textual: whether it is text in lines, which a reader gets in UTF-8.
        is_text: whether a file of binary data is none of it.
        is_one: whether a file is one document.
        begins: whether bytes are the beginning of such a file (None: nobody can tell).
    """

    name: str
    read: Reader
    suffixes: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    textual: bool = False
    is_text: bool = False
    is_one: bool = False
    begins: Callable[[bytes], bool] | None = None


FORMATS: Registry[Format] = Registry("format", __name__, "massivetext_keras.formats")


def format(
    *,
    name: str | None = None,
    suffixes: Sequence[str] = (),
    named: Sequence[str] = (),
    textual: bool = False,
    is_text: bool = False,
    is_one: bool = False,
    begins: Callable[[bytes], bool] | None = None,
) -> Callable[[Function], Function]:
    """Registers a function as the reader of a format; the arguments are `Format`'s.

    Args:
        name: of the format, if it is not that of the function.

    Raises:
        ValueError: another format has the name or a suffix.
    """

    def register(function: Function) -> Function:
        own = name or function.__name__
        for other in FORMATS.known():
            taken = other.suffixes.intersection(suffixes)
            if taken and other.name != own:
                raise ValueError(f"{min(taken)} is the suffix of {other.name!r}")
        made = Format(
            own,
            function,
            frozenset(suffixes),
            frozenset(named),
            textual,
            textual or is_text,
            is_one,
            begins,
        )
        FORMATS.add(function, own, made)
        return function

    return register


def by_suffix(suffix: str, is_named: bool = False) -> str | None:
    """The format of a suffix, with a dot and in small letters; None if there is none.

    Args:
        suffix: such as ".txt".
        is_named: whether a user spelled it.

    >>> by_suffix(".ndjson"), by_suffix(".json"), by_suffix(".json", is_named=True)
    ('jsonl', None, 'jsonl')
    """
    for found in FORMATS.values():
        if suffix in found.suffixes or (is_named and suffix in found.named):
            return found.name
    return None


def by_content(head: bytes) -> str | None:
    """The format of a file whose name says none; None for text or what is unknown.

    Args:
        head: its first bytes, in UTF-8.

    >>> by_content(b'{"text": "a"}\\n{"text'), by_content(b"{a}")
    ('jsonl', None)
    """
    for found in FORMATS.values():
        if found.begins is not None and found.begins(head):
            return found.name
    return None

"""The lines that a tokenizer is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from massivetext_keras import corpus


def read_lines(
    files: str | Path | Iterable[str | Path] | None = None,
    texts: Iterable[str] | None = None,
    max_bytes: int | None = None,
) -> Iterator[str]:
    """Returns the lines of files or texts, without their newlines.

    Arguments:
        files: paths, globs and folders, read as `corpus.read_documents` does.
        texts: strings instead of files.
        max_bytes: read at most about this much. Each file gives its share from its
            beginning, in proportion to its size; texts are taken from the first on.
    Raises:
        ValueError: both or none of files and texts, or a folder without text files.
        FileNotFoundError: a path or pattern matches no file.

    >>> list(read_lines(texts=["a b", "c\\nd"]))
    ['a b', 'c', 'd']
    """
    if files is not None and texts is None:
        return _lines_of_files(corpus.expand(files), max_bytes)
    if texts is None or files is not None:
        raise ValueError("train needs either files or texts")
    if isinstance(texts, str):
        raise ValueError("texts must be an iterable of strings, not one string")
    return _lines_of_texts(texts, max_bytes)


def _lines_of_files(paths: list[Path], max_bytes: int | None) -> Iterator[str]:
    total = sum(path.stat().st_size for path in paths)
    for path in paths:
        share = None
        if max_bytes is not None and total > max_bytes:
            share = path.stat().st_size * max_bytes // total
        for text in corpus.read_file(path, max_bytes=share):
            yield from text.removesuffix("\n").split("\n")


def _lines_of_texts(texts: Iterable[str], max_bytes: int | None) -> Iterator[str]:
    left = float("inf") if max_bytes is None else max_bytes
    for text in texts:
        for line in text.split("\n"):
            if left <= 0:
                return
            left -= len(line.encode("utf-8", "replace")) + 1
            yield line


def require_tokenizers():
    """Returns the package `tokenizers`; raises ImportError with what to install."""
    try:
        import tokenizers
    except ImportError:
        raise ImportError(
            "training this tokenizer needs the package tokenizers: "
            "pip install massivetext-keras[train-tokenizers]"
        ) from None
    return tokenizers

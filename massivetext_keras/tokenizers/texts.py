"""Where a tokenizer's training text comes from."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence


def find_files(files: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    """Returns the files that paths and glob patterns name, sorted, each once.

    Raises:
        FileNotFoundError: a path or pattern matches no file.
    """
    patterns = [files] if isinstance(files, (str, os.PathLike)) else files
    found = set()
    for pattern in map(os.fspath, patterns):
        names = (
            [pattern] if os.path.isfile(pattern) else glob.glob(pattern, recursive=True)
        )
        names = [name for name in names if os.path.isfile(name)]
        if not names:
            raise FileNotFoundError(f"{pattern}: no file to train a tokenizer on")
        found.update(names)
    return sorted(found)


def read_lines(
    files: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    texts: Iterable[str] | None = None,
    max_bytes: int | None = None,
) -> Iterator[str]:
    """Returns the lines of files or texts, without their newlines.

    Arguments:
        files: paths or glob patterns of UTF-8 files; invalid bytes become U+FFFD.
        texts: strings instead of files.
        max_bytes: read at most about this much. Each file gives its share from its
            beginning, in proportion to its size; texts are taken from the first on.
    Raises:
        ValueError: both or none of files and texts.
        FileNotFoundError: a path or pattern matches no file.

    >>> list(read_lines(texts=["a b", "c\\nd"]))
    ['a b', 'c', 'd']
    """
    if (files is None) == (texts is None):
        raise ValueError("train needs either files or texts")
    if isinstance(texts, str):
        raise ValueError("texts must be an iterable of strings, not one string")
    if files is None:
        return _lines_of_texts(texts, max_bytes)
    return _lines_of_files(find_files(files), max_bytes)


def _lines_of_files(paths: Sequence[str], max_bytes: int | None) -> Iterator[str]:
    total = sum(map(os.path.getsize, paths))
    share = 1.0 if max_bytes is None else min(1.0, max_bytes / max(total, 1))
    for path in paths:
        left = os.path.getsize(path) * share
        with open(path, "rb") as file:
            for line in file:
                if left <= 0:
                    break
                left -= len(line)
                yield line.rstrip(b"\n").decode("utf-8", "replace")


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

"""Files that steps read: their hashes, and functions that read each of them once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from massivetext_keras.reading.streams import open_bytes

T = TypeVar("T")


def content_hash(path: str) -> str:
    """SHA-256 of a file, or of what a URL names, in hexadecimal."""
    with open_bytes(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_contents = ""


def use_contents(hashes: Mapping[str, str]) -> None:
    """Says what the files have in them that steps read from here on."""
    global _contents
    _contents = repr(sorted(hashes.items()))


def read_once(function: Callable[..., T]) -> Callable[..., T]:
    """As `functools.cache`, for a function of names of files.

    It is called again once `use_contents` has told of other contents.
    """

    @functools.lru_cache(maxsize=16)
    def remembered(contents, *arguments):
        return function(*arguments)

    @functools.wraps(function)
    def read(*arguments):
        return remembered(_contents, *arguments)

    return read

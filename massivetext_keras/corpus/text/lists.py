"""Lists of the user's: files with an entry on each line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from massivetext_keras.reading.texts import expand, read_file
from massivetext_keras.support.arguments import Files

ListFile = Annotated[str, Files(expand)]


def entries(path: str) -> Iterator[tuple[str, str]]:
    """(place, entry) of a list."""
    empty = True
    for file in expand(path):
        for text in read_file(file):
            for number, line in enumerate(text.split("\n"), 1):
                entry = line.strip()
                if entry and not entry.startswith("#"):
                    empty = False
                    yield f"{file}:{number}", entry
    if empty:
        raise ValueError(f"the list {path!r} has no entries")

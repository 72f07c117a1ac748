"""Files of word vectors: those of word2vec (text and binary), GloVe and fastText."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from massivetext_keras.support.files import expanded, replacing_file
from massivetext_keras.support.values import choose

FORMATS = ("word2vec", "binary", "glove", "fasttext")
_LINES = 10_000  # read or written at a time


def write_vectors(
    path: str | Path, words: Sequence[str], vectors: np.ndarray, format: str
) -> None:
    """Writes words and their vectors.

    Args:
        path: of the file.
        words: without spaces and line ends.
        vectors: float32 [words, d].
        format: "word2vec" (a line with both sizes, then a line for each word),
            "fasttext" (the same, as .vec files), "glove" (without the first line) or
            "binary" (word2vec's, whose numbers are float32).

    Raises:
        ValueError: the format is unknown, or a word has a space.
    """
    choose("format", format, dict.fromkeys(FORMATS))
    odd = next((w for w in words if not w or any(x in w for x in " \n\t\r")), None)
    if odd is not None:
        raise ValueError(f"the word {odd!r} cannot be in such a file")
    vectors = np.asarray(vectors, "<f4")
    with replacing_file(path) as draft, open(draft, "wb") as file:
        if format != "glove":
            file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        if format == "binary":
            for word, row in zip(words, vectors, strict=True):
                file.write(word.encode() + b" " + row.tobytes() + b"\n")
            return
        for word, row in zip(words, vectors.tolist(), strict=True):
            numbers = " ".join([f"{x:.7g}" for x in row])
            file.write(f"{word} {numbers}\n".encode())


def read_vectors(path: str | Path) -> tuple[list[str], np.ndarray]:
    """Reads a file of any of `FORMATS`; what is in it tells which.

    Returns:
        Words, and float32 [words, d]. A word that is there twice has its first vector.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut or damaged; names the line, of binary ones the word.
    """
    with open(expanded(path), "rb") as file:
        first = file.readline()
        sizes = first.split()
        has_sizes = len(sizes) == 2 and all(x.isdigit() for x in sizes)
        if has_sizes and _is_binary(file):
            return _unique(*_read_binary(path, file, *map(int, sizes)))
        if not has_sizes:
            file.seek(0)
        words, vectors = _read_text(path, file, has_sizes, sizes)
    return _unique(words, vectors)


def _is_binary(file) -> bool:
    """Whether numbers follow on the first word that no text has."""
    start = file.tell()
    some = file.read(4096)
    file.seek(start)
    line = some.partition(b"\n")[0]
    try:
        [float(x) for x in line.split()[1:-1]]
    except ValueError:
        return True
    return not line.isascii() and b"\0" in some or b"\0" in some


def _read_text(path, file, has_sizes: bool, sizes) -> tuple[list[str], np.ndarray]:
    first = 2 if has_sizes else 1
    count, size = map(int, sizes) if has_sizes else (None, None)
    words: list[str] = []
    parts: list[np.ndarray] = []
    while lines := list(islice(file, _LINES)):
        rows = [line.rstrip(b"\r\n ").split(b" ") for line in lines]
        size = size or len(rows[0]) - 1
        for number, row in enumerate(rows, start=first + len(words)):
            if len(row) != size + 1:
                raise ValueError(
                    f"{path}:{number}: {len(row) - 1} numbers where {size} should be"
                )
        try:
            parts.append(np.array([row[1:] for row in rows]).astype(np.float32))
        except ValueError:
            raise ValueError(_no_number(path, first + len(words), rows)) from None
        words += [row[0].decode(errors="replace") for row in rows]
    if count is not None and len(words) != count:
        raise ValueError(
            f"{path}:1: it says {count:,} words, and {len(words):,} are there"
        )
    if not words or not size:
        raise ValueError(f"{path}:1: there are no vectors")
    return words, np.concatenate(parts)


def _no_number(path, first: int, rows: Sequence[Sequence[bytes]]) -> str:
    for number, row in enumerate(rows, start=first):
        for text in row[1:]:
            try:
                float(text)
            except ValueError:
                shown = text.decode(errors="replace")
                return f"{path}:{number}: {shown!r} is no number"
    return f"{path}:{first}: no numbers"


def _read_binary(path, file, count: int, size: int) -> tuple[list[str], np.ndarray]:
    words, vectors = [], np.empty((count, size), np.float32)
    data, at = file.read(), 0
    for number in range(count):
        end = data.find(b" ", at)
        stop = end + 1 + 4 * size
        if end < 0 or stop > len(data):
            raise ValueError(
                f"{path}: the file ends in word {number + 1:,} of {count:,}: it is cut"
            )
        words.append(data[at:end].lstrip(b"\n").decode(errors="replace"))
        vectors[number] = np.frombuffer(data, "<f4", size, end + 1)
        at = stop
    if data[at:].strip():
        raise ValueError(
            f"{path}:1: it says {count:,} words of {size} numbers, and there is more"
        )
    return words, vectors


def _unique(words: list[str], vectors: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The first of words that are the same."""
    if len(set(words)) == len(words):
        return words, vectors
    places = {word: i for i, word in reversed(list(enumerate(words)))}
    kept = sorted(places.values())
    return [words[i] for i in kept], vectors[kept]

"""Arrays that outgrow memory: in files without a name, which end with the arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Scratch:
    """Makes arrays in memory or, with a folder, in its files.

    Such a file has no name, and its space is free again as soon as nobody holds the
    array: a run that is killed leaves nothing behind. What of it is in memory is the
    operating system's cache, which gives way to others.

    Args:
        chunk: elements that work is done on at a time.
        folder: for files (None: memory).

    >>> Scratch(2, getfixture("tmp_path")).full(3, np.int32, 7).tolist()
    [7, 7, 7]
    """

    def __init__(self, chunk: int, folder: str | Path | None = None):
        self.chunk, self.folder = chunk, folder

    def full(self, size: int, dtype: type, value: float = 0) -> np.ndarray:
        """An array [size] of one value."""
        if self.folder is None:
            return np.full(size, value, dtype)
        writer = self.writer(dtype)
        for start, stop in self.spans(size):
            writer.append(np.full(stop - start, value, dtype))
        return writer.array()

    def writer(self, dtype: type) -> _Memory | _File:
        """Takes pieces of an array, one after another."""
        if self.folder is None:
            return _Memory(dtype)
        return _File(dtype, self.folder)

    def spans(self, size: int, before: int = 0) -> Iterator[tuple[int, int]]:
        """First and last elements, exclusive, of chunks of an array.

        >>> list(Scratch(4).spans(10, before=1))
        [(1, 5), (5, 9), (9, 10)]
        """
        for start in range(before, size, self.chunk):
            yield start, min(start + self.chunk, size)


class _Memory:
    def __init__(self, dtype: type):
        self._dtype = dtype
        self._pieces: list[np.ndarray] = []

    def append(self, piece: np.ndarray) -> None:
        self._pieces.append(piece.astype(self._dtype, copy=False))

    def array(self) -> np.ndarray:
        if len(self._pieces) == 1:
            return self._pieces[0]
        return np.concatenate([np.zeros(0, self._dtype), *self._pieces])


class _File:
    def __init__(self, dtype: type, folder: str | Path):
        self._dtype, self._size = np.dtype(dtype), 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  arrays hold it

    def append(self, piece: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(piece, self._dtype).data)
        self._size += len(piece)

    def array(self) -> np.ndarray:
        self._file.flush()
        if not self._size:  # nothing cannot be mapped
            return np.zeros(0, self._dtype)
        return np.memmap(self._file, self._dtype, mode="r+", shape=(self._size,))

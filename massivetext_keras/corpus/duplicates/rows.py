"""Rows of the pipeline's tables as NumPy arrays, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from massivetext_keras.support.files import replacing_file

ID = pa.binary(16)
_SIEVE_BITS = 26


def id_array(column: pa.ChunkedArray) -> np.ndarray:
    """Ids as uint64 [rows, 2], in whose order they are.

    >>> id_array(pa.chunked_array([[bytes(15) + b"a"]], ID)).tolist()
    [[0, 97]]
    """
    column = column.cast(ID)
    if not len(column):
        return np.zeros([0, 2], np.uint64)
    chunks = [
        np.frombuffer(chunk.buffers()[1], ">u8", 2 * len(chunk), 16 * chunk.offset)
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(chunks).astype(np.uint64).reshape(-1, 2)


def id_column(ids: np.ndarray) -> pa.Array:
    """The inverse of `id_array`.

    >>> id_column(np.array([[0, 97]], np.uint64)).to_pylist() == [bytes(15) + b"a"]
    True
    """
    values = pa.py_buffer(ids.astype(">u8").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(ID, len(ids), [None, values])


def id_less(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """bool [rows]: which ids come before others, uint64 [rows, 2] both."""
    same = left[:, 0] == right[:, 0]
    return np.where(same, left[:, 1] < right[:, 1], left[:, 0] < right[:, 0])


def run_starts(*columns: np.ndarray) -> np.ndarray:
    """bool [rows]: true where a row differs from the one before in some column.

    Args:
        columns: [rows] or [rows, n] each, at least one.

    >>> run_starts(np.array([7, 7, 7, 8]), np.array([1, 1, 2, 2])).tolist()
    [True, False, True, True]
    """
    starts = np.ones(len(columns[0]), bool)
    starts[1:] = False
    for column in columns:
        differs = column[1:] != column[:-1]
        starts[1:] |= differs.any(1) if column.ndim > 1 else differs
    return starts


def first_of_run(starts: np.ndarray) -> np.ndarray:
    """int64 [rows]: the row in which the run of each row starts.

    >>> first_of_run(np.array([True, False, True])).tolist()
    [0, 0, 2]
    """
    return np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))


def spans_of(sizes: np.ndarray, most: int) -> Iterator[slice]:
    """Rows in order, in slices that have at most `most` of something or one row.

    >>> list(spans_of(np.array([3, 3, 9, 1]), most=6))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start] - sizes[start]
        end = max(int(np.searchsorted(ends, before + most, "right")), start + 1)
        yield slice(start, end)
        start = end


class Sieve:
    """Which ids or hashes may be in a set of any size: a bit for their first 26.

    >>> few = np.array([5, 2**63], np.uint64)
    >>> sieve = Sieve()
    >>> sieve.add(few[1:])
    >>> sieve.may_have(few).tolist()
    [False, True]
    """

    def __init__(self, bits: np.ndarray | None = None):
        self._bits = (
            np.zeros(1 << (_SIEVE_BITS - 3), np.uint8) if bits is None else bits
        )

    @classmethod
    def of(cls, parts: Sequence[Path], columns: Sequence[str]) -> Sieve:
        """A sieve with the values of columns of parts: ids, or hashes as int64."""
        sieve = cls()
        for path in parts:
            for batch in pq.ParquetFile(path).iter_batches(columns=list(columns)):
                for column in batch.columns:
                    if pa.types.is_int64(column.type):
                        sieve.add(column.to_numpy().view(np.uint64))
                    else:
                        sieve.add(id_array(pa.chunked_array([column]))[:, 0])
        return sieve

    @classmethod
    def load(cls, path: Path) -> Sieve:
        """The inverse of `save`; workers share the memory."""
        return cls(np.load(path, mmap_mode="r"))

    def save(self, path: Path) -> Path:
        """Writes the sieve to a .npy file."""
        with replacing_file(path) as draft, draft.open("wb") as file:
            np.save(file, self._bits)
        return path

    def add(self, values: np.ndarray) -> None:
        """Adds uint64 values, the front of ids or hashes."""
        byte, bit = self._place(values)
        np.bitwise_or.at(self._bits, byte, bit)

    def may_have(self, values: np.ndarray) -> np.ndarray:
        """bool [values]: false for what was never added."""
        byte, bit = self._place(values)
        return self._bits[byte] & bit > 0

    def _place(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        byte = (values >> np.uint64(64 - _SIEVE_BITS + 3)).astype(np.int64)
        bit = (values >> np.uint64(64 - _SIEVE_BITS)).astype(np.uint8) & np.uint8(7)
        return byte, np.left_shift(np.uint8(1), bit)

"""Bytes of files, decompressed and in lines, never more at once than is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from massivetext_keras.reading.compression import (
    COMPRESSED,
    Damage,
    DamagedFile,
    compression_of,
    inflate,
)
from massivetext_keras.reading.encodings import as_utf8, buffered, decode, decode_line
from massivetext_keras.support.extras import need

__all__ = [
    "COMPRESSED",
    "Damage",
    "DamagedFile",
    "as_utf8",
    "buffered",
    "damages",
    "decode",
    "decode_line",
    "go_on",
    "lines",
    "open_bytes",
    "open_stream",
    "read_whole",
    "suffixes",
]

_BUFFER = 2**20
_PIECE = 2**24  # bytes that are asked for at once; Python sets so many aside
_HEAD = 16


def suffixes(name: str) -> tuple[str, str]:
    """The suffix of a name without compression, and that of the compression.

    >>> suffixes("A.TXT.gz"), suffixes("b.jsonl"), suffixes("c")
    (('.txt', '.gz'), ('.jsonl', ''), ('', ''))
    """
    path = PurePosixPath(name.lower())
    if path.suffix in COMPRESSED:
        return PurePosixPath(path.stem).suffix, path.suffix
    return path.suffix, ""


def open_stream(
    path: str | Path, max_ratio: float | None = None, tolerant: bool = False
) -> io.BufferedReader:
    """Opens a file for reading, decompressed if its bytes or its suffix say so.

    A tolerant stream ends at a damaged place; `go_on` opens what follows, and `damages`
    has what was passed over. Another raises there; `read1` and `readline` lose nothing
    before that place.

    Args:
        path: of a file, or a URL that fsspec opens, such as "s3://bucket/a.txt.gz".
        max_ratio: bytes that one compressed byte may become, beyond the first 10 MB;
            None for any number. Text rarely reaches 20, empty pages 1,000 and more.
        tolerant: to damage.

    Raises:
        OSError: it cannot be opened.
        DamagedFile: while reading; of tolerant streams only what expands without end.

    >>> import gzip
    >>> path = getfixture("tmp_path") / "a.txt.gz"
    >>> _ = path.write_bytes(gzip.compress(b"one") + gzip.compress(b" two"))
    >>> with open_stream(path) as stream:
    ...     stream.read()
    b'one two'
    """
    file = buffered(open_bytes(path))
    compression = compression_of(file.peek(_HEAD), suffixes(str(path))[1])
    if not compression:
        return file
    raw = _Inflated(file, compression, max_ratio, tolerant)
    return io.BufferedReader(raw, _BUFFER)


def open_bytes(path: str | Path) -> io.BufferedReader:
    """Opens a file, or what a URL names, for reading as it lies."""
    if "://" not in str(path):
        return open(path, "rb")
    return need("fsspec").open(str(path), "rb").open()


def go_on(stream: BinaryIO) -> bool:
    """Opens what follows the damaged place at which a tolerant stream has ended.

    Returns:
        Whether there was one; else the stream has come to its real end.
    """
    return bool(raw.go_on()) if (raw := _tolerant(stream)) else False


def damages(stream: BinaryIO | None) -> list[Damage]:
    """The damaged places that a tolerant stream has come to, in their order; none of
    one that could not be opened."""
    return raw.damages if (raw := _tolerant(stream)) else []


def _tolerant(stream: BinaryIO | None):
    raw = getattr(stream, "raw", None)
    return raw if hasattr(raw, "go_on") else None


def read_whole(stream: BinaryIO, most: int | None = None) -> bytes | None:
    """All that can be read of a stream; None if it is more than some bytes.

    Raises:
        DamagedFile: nothing can be read.
    """
    parts, size = [], 0
    while most is None or size <= most:
        left = -1 if most is None else min(most + 1 - size, _PIECE)
        parts.append(stream.read(left))
        size += len(parts[-1])
        if not parts[-1] and not go_on(stream):
            break
    if most is not None and size > most:
        return None
    if not size and (found := damages(stream)):
        raise DamagedFile(found.pop().detail)
    return b"".join(parts)


def first_lines(stream: BinaryIO, size: int) -> io.BufferedReader:
    """The lines of a stream up to the one in which so many bytes are full.

    >>> first_lines(io.BytesIO(b"one\\ntwo\\nthree"), 5).read()
    b'one\\ntwo\\n'
    """
    return io.BufferedReader(_FirstLines(buffered(stream), size), _BUFFER)


class _FirstLines(io.RawIOBase):
    """The beginning of a stream, in whole lines."""

    def __init__(self, stream: io.BufferedReader, size: int):
        self._stream, self._left, self._rest = stream, max(size - 1, 0), b""
        self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        data = self._rest or self._stream.read1(min(len(target), self._left))
        self._left -= 0 if self._rest else len(data)
        if not data and not self._left and not self._has_ended:
            data, self._has_ended = self._stream.readline(), True
        self._rest = data[len(target) :]
        target[: len(data[: len(target)])] = data[: len(target)]
        return len(data[: len(target)])

    def go_on(self) -> bool:
        return go_on(self._stream)


class _Inflated(io.RawIOBase):
    """The decompressed bytes of a file of one or several compressed members.

    Attributes:
        damages: places that it has come to.
    """

    def __init__(
        self, file: BinaryIO, compression: str, max_ratio: float | None, tolerant: bool
    ):
        self._file, self._tolerant = file, tolerant
        self._chunks = inflate(file, compression, max_ratio)
        self._left = memoryview(b"")
        self._stopped = False
        self.damages: list[Damage] = []

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        while not self._left and not self._stopped:
            chunk = next(self._chunks, b"")
            if isinstance(chunk, Damage):
                if not self._tolerant:
                    raise DamagedFile(chunk.detail)
                self.damages.append(chunk)
                self._stopped = True
            elif not chunk:
                return 0
            else:
                self._left = memoryview(chunk)
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def go_on(self) -> bool:
        """Reads behind the damaged place; whether there was one."""
        stopped, self._stopped = self._stopped, False
        return stopped

    def close(self) -> None:
        self._file.close()
        super().close()


def lines(stream: BinaryIO, most: int) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a stream with their numbers, from 1; None for one that is too long.

    A line that ends in damage is left out with it.

    Args:
        stream: of bytes.
        most: bytes of a line without its end; no more are held.

    >>> list(lines(io.BytesIO(b"one\\nthree\\ntwo"), 3))
    [(1, b'one\\n'), (2, None), (3, b'two')]
    """
    number = 0
    while (line := stream.readline(most + 1)) or go_on(stream):
        if not line:
            continue
        number += 1
        if line.endswith(b"\n"):
            yield number, line
        elif len(line) > most:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_BUFFER)
            yield number, None
        elif not go_on(stream):
            yield number, line

"""Bytes of files, decompressed and in lines, never more at once than is asked for."""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from massivetext_keras.extras import need

COMPRESSED = (".gz", ".bz2", ".zst")
_READ, _BUFFER = 2**16, 2**20
_RATIO_FROM = 10_000_000  # bytes: what is small may repeat itself


class DamagedFile(ValueError):
    """Data end in the middle, are not what the suffix says, or expand without end."""


def suffixes(name: str) -> tuple[str, str]:
    """The suffix of a name without compression, and that of the compression.

    >>> suffixes("A.TXT.gz"), suffixes("b.jsonl"), suffixes("c")
    (('.txt', '.gz'), ('.jsonl', ''), ('', ''))
    """
    path = PurePosixPath(name.lower())
    if path.suffix in COMPRESSED:
        return PurePosixPath(path.stem).suffix, path.suffix
    return path.suffix, ""


def open_stream(path: str | Path, max_ratio: float | None = None) -> BinaryIO:
    """Opens a file for reading, decompressed if its suffix is .gz, .bz2 or .zst.

    What can be decompressed can be read; where the data are damaged, the read that
    follows raises. `read1` and `readline` lose nothing before that place.

    Args:
        path: of a file, or a URL that fsspec opens, such as "s3://bucket/a.txt.gz".
        max_ratio: bytes that one compressed byte may become, beyond the first 10 MB;
            None for any number. Text rarely reaches 20, empty pages 1,000 and more.

    Raises:
        OSError: it cannot be opened.
        DamagedFile: while reading.

    >>> import gzip
    >>> path = getfixture("tmp_path") / "a.txt.gz"
    >>> _ = path.write_bytes(gzip.compress(b"one") + gzip.compress(b" two"))
    >>> with open_stream(path) as stream:
    ...     stream.read()
    b'one two'
    """
    file = open_bytes(path)
    compression = suffixes(str(path))[1]
    if not compression:
        return file
    return io.BufferedReader(_Inflated(file, compression, max_ratio), _BUFFER)


def open_bytes(path: str | Path) -> BinaryIO:
    """Opens a file, or what a URL names, for reading as it lies."""
    if "://" not in str(path):
        return open(path, "rb")
    return need("fsspec").open(str(path), "rb").open()


class _Inflated(io.RawIOBase):
    """The decompressed bytes of a file of one or several compressed members."""

    def __init__(self, file: BinaryIO, compression: str, max_ratio: float | None):
        self._file = file
        self._chunks = _inflate(file, compression, max_ratio)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _inflate(
    file: BinaryIO, compression: str, max_ratio: float | None
) -> Iterator[bytes]:
    """The decompressed bytes of members that lie behind each other."""
    new, size = _DECOMPRESSORS[compression]
    decompressor, taken, given = None, 0, 0
    try:
        for piece in _pieces(file, size):
            taken += len(piece)
            while piece:
                if decompressor is None or decompressor.eof:
                    piece = piece.lstrip(b"\0")  # members may be padded
                    if not piece:
                        break
                    decompressor = new()
                for chunk in _chunks(decompressor, piece):
                    given += len(chunk)
                    if max_ratio and given > max(_RATIO_FROM, max_ratio * taken):
                        raise DamagedFile(
                            f"{taken:,} compressed bytes became {given:,}, more than "
                            f"{max_ratio:g} each"
                        )
                    yield chunk
                piece = decompressor.unused_data
    except (zlib.error, OSError, EOFError, _zstandard().ZstdError) as error:
        raise DamagedFile(f"after {given:,} bytes: {error}") from error
    if decompressor is not None and not decompressor.eof:
        raise DamagedFile(f"the compressed data end early, after {given:,} bytes")


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    while data := file.read(_READ):
        for start in range(0, len(data), size):
            yield data[start : start + size]


def _chunks(decompressor: Any, piece: bytes) -> Iterator[bytes]:
    if isinstance(decompressor, bz2.BZ2Decompressor):
        while chunk := decompressor.decompress(piece, _BUFFER):
            yield chunk
            piece = b""
            if decompressor.eof or decompressor.needs_input:
                return
    elif chunk := decompressor.decompress(piece):
        yield chunk


def _zstandard():
    import zstandard

    return zstandard


# Each with the size of the pieces it gets: even of a bomb they become 32 MB at most (a
# byte 1,000 with gzip, 32,000 with zstd); bzip2 gives a part at a time.
_DECOMPRESSORS: dict[str, tuple[Callable[[], Any], int]] = {
    ".gz": (lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), 2**13),
    ".bz2": (bz2.BZ2Decompressor, 2**16),
    ".zst": (lambda: _zstandard().ZstdDecompressor().decompressobj(), 2**10),
}


def lines(stream: BinaryIO, most: int) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a stream with their numbers, from 1; None for one that is too long.

    Args:
        stream: of bytes.
        most: bytes of a line without its end; no more are held.

    >>> list(lines(io.BytesIO(b"one\\nthree\\ntwo"), 3))
    [(1, b'one\\n'), (2, None), (3, b'two')]
    """
    number = 0
    while line := stream.readline(most + 1):
        number += 1
        if len(line) <= most or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_BUFFER)
        yield number, None


def decode(data: bytes, encoding: str = "utf-8") -> tuple[str, int]:
    """The text of bytes without a byte-order mark, and how many were not valid.

    Each run of bytes that are not valid becomes U+FFFD, as `errors="replace"` does.
    UTF-16 is recognised by its mark.

    >>> decode(b"caf\\xe9 au lait")
    ('caf\\ufffd au lait', 1)
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif encoding == "utf-8":
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding), 0
    except UnicodeDecodeError:
        valid = data.decode(encoding, "ignore")
        mark = 3 * data.startswith(b"\xef\xbb\xbf") if encoding == "utf-8-sig" else 0
        invalid = len(data) - mark - len(valid.encode(encoding.removesuffix("-sig")))
        return data.decode(encoding, "replace"), max(invalid, 1)

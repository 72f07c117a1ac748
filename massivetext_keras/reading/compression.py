"""Compressed data as what they were, with what is damaged in them passed over."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import zstandard

from massivetext_keras.support.extras import need

_READ, _BUFFER = 2**16, 2**20
_RATIO_FROM = 10_000_000  # bytes: what is small may repeat itself
_SUSPECT = 2**18  # bytes before a damaged place that may be wrong too
_REMEMBERED = 2**17  # compressed bytes of a member, to look for the next in
_MEMORY = 2**28  # bytes that xz may take
_HEAD = 16  # bytes by which a member is known


class DamagedFile(ValueError):
    """Data end in the middle, are not what the suffix says, or expand without end."""


class Damage(NamedTuple):
    """A place that cannot be read.

    Attributes:
        detail: what is wrong with it, for people.
        is_loss: whether data are missing; what lies behind all data is none.
    """

    detail: str
    is_loss: bool = True


class _Format(NamedTuple):
    """A kind of compression.

    Attributes:
        name: for people.
        head: what every member begins with.
        new: gives a decompressor.
        size: of the pieces that it gets: even of a bomb they become 32 MB at most (a
            byte 1,000 with gzip, 32,000 with zstd); bzip2 and xz give a part at a time.
        suspect: bytes before an error that may be wrong: of bzip2 none, which checks a
            block before it gives it.
        is_alone: whether nothing tells where data begin: then all are one member, and
            the suffix is believed if they are no text.
    """

    name: str
    head: re.Pattern[bytes]
    new: Callable[[], Any]
    size: int
    suspect: int = _SUSPECT
    is_alone: bool = False


class _Brotli:
    """Brotli's decompressor, with the names that those of bzip2 and xz have."""

    def __init__(self):
        module = need("brotli")
        self._new, self._error = module.Decompressor(), module.error
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return self._new.is_finished()

    @property
    def needs_input(self) -> bool:
        return self._new.can_accept_more_data()

    def decompress(self, data: bytes, most: int) -> bytes:
        try:
            return self._new.process(data, output_buffer_limit=most)
        except self._error as error:
            raise OSError(str(error)) from None


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_MEMORY)


FORMATS = {
    ".gz": _Format(
        "gzip",
        re.compile(rb"\x1f\x8b\x08[\0-\x1f].{4}[\0-\x04][\0-\x0d\xff]", re.S),
        lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
        2**13,
    ),
    ".bz2": _Format(
        "bzip2",
        re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
        bz2.BZ2Decompressor,
        2**16,
        suspect=0,
    ),
    ".zst": _Format(
        "Zstandard",
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        lambda: zstandard.ZstdDecompressor().decompressobj(),
        2**10,
    ),
    ".xz": _Format("xz", re.compile(rb"\xfd7zXZ\0"), _xz, 2**16),
    ".lzma": _Format("LZMA", re.compile(rb"\x5d\0\0"), _xz, 2**16),
    ".br": _Format("Brotli", re.compile(rb"(?!)"), _Brotli, 2**16, is_alone=True),
}
COMPRESSED = tuple(FORMATS)
_NOT_IN_TEXT = re.compile(rb"[\0-\x08\x0b\x0e-\x1f\x7f]")


def compression_of(head: bytes, suffix: str) -> str:
    """How data are compressed: as their first bytes say, or else as a suffix does.

    Brotli data begin with nothing of their own, and `.br` is Breton, too: text that is
    called so is text, but for a single byte, which is nothing in Brotli.

    Args:
        head: the first bytes.
        suffix: one of `COMPRESSED`, "" for none.

    >>> import gzip
    >>> compression_of(gzip.compress(b"text"), ""), compression_of(b"text", ".gz")
    ('.gz', '.gz')
    """
    for name, format in FORMATS.items():
        if name != ".lzma" and format.head.match(head):  # too short to be sure
            return name
    is_believed = not suffix or not FORMATS[suffix].is_alone or len(head) < 2
    return suffix if is_believed or _NOT_IN_TEXT.search(head) else ""


def inflate(
    file: BinaryIO, compression: str, max_ratio: float | None = None
) -> Iterator[bytes | memoryview | Damage]:
    """The decompressed bytes of members behind each other, and what is damaged.

    Where a member is damaged, reading goes on with the next. Data do not always show at
    once that they are wrong, so of a damaged member the last 256 KB before the error
    are left out, of a smaller one all; of data that were cut off nothing is.

    Args:
        file: of compressed data.
        compression: one of `COMPRESSED`.
        max_ratio: bytes that one compressed byte may become, beyond the first 10 MB;
            None for any number.

    Raises:
        DamagedFile: data expand beyond that.

    >>> import gzip, io
    >>> data = gzip.compress(b"one") + gzip.compress(b"two") + b"behind"
    >>> [*some, last] = inflate(io.BytesIO(data), ".gz")
    >>> some, last.detail
    ([b'one', b'two'], "6 bytes that are no gzip data, b'behind', are passed over")
    """
    source = _Input(file, FORMATS[compression])
    format, given = source.format, 0
    found = False
    while source.begins():
        is_first = format.is_alone and not found
        if not (is_first or format.head.match(source.data, source.at)):
            skipped, head = source.skip(), source.skipped_head
            is_other = not (found or source.is_left)
            more = f": it is not compressed with {format.name}" if is_other else ""
            yield Damage(
                f"{skipped:,} bytes that are no {format.name} data, {head!r}, are "
                f"passed over{more}",
                is_loss=not found or source.is_left,
            )
            continue
        found = True
        for chunk in source.member():
            given += 0 if isinstance(chunk, Damage) else len(chunk)
            if max_ratio and given > max(_RATIO_FROM, max_ratio * source.taken):
                raise DamagedFile(
                    f"{source.taken:,} compressed bytes became {given:,}, more than "
                    f"{max_ratio:g} each"
                )
            yield chunk


class _Input:
    """Compressed data, and how far they were read.

    Attributes:
        data: bytes that were read last.
        at: the first of them that was not taken.
        taken: bytes that were read of the file.
    """

    def __init__(self, file: BinaryIO, format: _Format):
        self._file, self.format = file, format
        self.data, self.at, self.taken = b"", 0, 0
        self.skipped_head = b""

    @property
    def is_left(self) -> bool:
        """Whether bytes were read that were not taken."""
        return self.at < len(self.data)

    def _more(self) -> bool:
        data = self._file.read(_READ)
        self.data, self.at = self.data[self.at :] + data, 0
        self.taken += len(data)
        return bool(data)

    def begins(self) -> bool:
        """Whether something follows, but for the zeros that members are padded with."""
        while True:
            if self.data[self.at : self.at + 1] == b"\0":
                self.at = len(self.data) - len(self.data[self.at :].lstrip(b"\0"))
            if len(self.data) - self.at >= _HEAD or not self._more():
                return self.is_left

    def skip(self) -> int:
        """Passes over what is no member; gives the number of bytes."""
        skipped, self.skipped_head = 0, self.data[self.at : self.at + _HEAD]
        while not (found := self.format.head.search(self.data, self.at)):
            end = max(len(self.data) - _HEAD, self.at)
            skipped, self.at = skipped + end - self.at, end
            if not self._more():
                skipped, self.at = skipped + len(self.data), len(self.data)
                return skipped
        skipped, self.at = skipped + found.start() - self.at, found.start()
        return skipped

    def member(self) -> Iterator[bytes | memoryview | Damage]:
        """The bytes of a member, each once it is known how far they are right."""
        new, size = self.format.new(), self.format.size
        held, given, pieces = _Held(self.format.suspect), 0, 0
        before: deque[bytes] = deque(maxlen=_REMEMBERED // size)
        while not new.eof:
            if not self.is_left and not self._more():
                yield from held.chunks
                given += held.size
                detail = f"the compressed data end early, after {given:,} bytes"
                yield Damage(detail)
                return
            piece = self.data[self.at : self.at + size]
            self.at += len(piece)
            pieces += 1
            before.append(piece)
            try:
                for chunk in _chunks(new, piece):
                    for part in held.add(chunk):
                        given += len(part)
                        yield part
            except (zlib.error, OSError, lzma.LZMAError, zstandard.ZstdError) as error:
                yield Damage(f"a member is damaged after {given:,} bytes: {error}")
                # the next member may have been taken for a part of this one
                whole = pieces == len(before)
                self.data = b"".join(before)[whole:] + self.data[self.at :]
                self.at = 0
                self.skip()
                return
        yield from held.chunks
        self.at -= len(new.unused_data)


class _Held:
    """The last bytes of a member, which an error that follows may make doubtful."""

    def __init__(self, most: int):
        self.most, self.size = most, 0
        self.chunks: deque[bytes] = deque()

    def add(self, chunk: bytes) -> Iterator[bytes | memoryview]:
        """Takes a chunk; gives what is farther from the end than `most`."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        while self.chunks and self.size - len(self.chunks[0]) >= self.most:
            part = self.chunks.popleft()
            self.size -= len(part)
            yield part
        if len(self.chunks) == 1 and self.size > 2 * self.most:
            self.chunks[0], self.size = chunk[-self.most :], self.most
            yield memoryview(chunk)[: -self.most]


def _chunks(decompressor: Any, piece: bytes) -> Iterator[bytes]:
    if hasattr(decompressor, "needs_input"):  # bzip2, xz
        while not decompressor.eof:
            if chunk := decompressor.decompress(piece, _BUFFER):
                yield chunk
            piece = b""
            if decompressor.needs_input:
                return
    elif chunk := decompressor.decompress(piece):
        yield chunk

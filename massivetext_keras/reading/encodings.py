"""Text as bytes: which encoding, what is not valid in it, and the same in UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, overload

from massivetext_keras.reading.compression import Damage

_BUFFER = 2**18
_LOOKED_AT = 4096  # bytes of a file without a mark
_MARKS = {  # the longer ones first: that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
_FEWEST = 16  # bytes that tell UTF-16 without a mark
_ZEROS = 0.7  # of every second byte


def encoding_of(head: bytes) -> str | None:
    """The encoding that a byte-order mark names, or that of text full of zeros.

    Args:
        head: the first bytes of a text.

    >>> encoding_of("a".encode("utf-16")), encoding_of(b"a"), encoding_of(b"t\\0" * 9)
    ('utf-16', None, 'utf-16-le')
    """
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    head = head[: min(len(head) // 2 * 2, _LOOKED_AT)]
    if len(head) >= _FEWEST and b"\0" in head:
        for name, zeros, others in (
            ("utf-16-le", head[1::2], head[::2]),
            ("utf-16-be", head[::2], head[1::2]),
        ):
            if zeros.count(0) >= _ZEROS * len(zeros) and not others.count(0):
                return name
    return None


def decode(data: bytes, encoding: str = "utf-8") -> tuple[str, int]:
    """The text of bytes without a byte-order mark, and how many were not valid.

    Each run of bytes that are not valid becomes U+FFFD, as `errors="replace"` does. A
    mark says more than the name of an encoding.

    Args:
        data: a whole text.
        encoding: of it.

    >>> decode(b"caf\\xe9 au lait")
    ('caf\\ufffd au lait', 1)
    """
    encoding = encoding_of(data) or encoding
    if encoding == "utf-8":
        return decode_line(data)
    try:
        return data.decode(encoding).removeprefix("\ufeff"), 0
    except UnicodeDecodeError:
        valid = data.decode(encoding, "ignore")
        invalid = len(data) - len(valid.encode(encoding))
        text = data.decode(encoding, "replace").removeprefix("\ufeff")
        return text, max(invalid, 1)


def decode_line(data: bytes) -> tuple[str, int]:
    """A part of a text in UTF-8 without a mark, and how many bytes were not valid.

    >>> decode_line(b"\\xef\\xbb\\xbf{}")
    ('{}', 0)
    """
    try:
        text, invalid = data.decode(), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        invalid = max(len(data) - len(data.decode("utf-8", "ignore").encode()), 1)
    return text.removeprefix("\ufeff"), invalid


@overload
def valid(text: str) -> str: ...


@overload
def valid(text: None) -> None: ...


def valid(text):
    """A text that UTF-8 has a form for: U+FFFD for half of a surrogate pair.

    >>> valid("a\\ud83d"), valid("\\ud83d\\ude00")
    ('a\\ufffd', '😀')
    """
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_utf8(stream: BinaryIO, encoding: str = "utf-8") -> BinaryIO:
    """The same text in UTF-8, in lines that end in `\\n`.

    Where `\\r` alone ends lines it becomes `\\n`; `\\r\\n` stays. Bytes that are not
    valid in their encoding are not valid in UTF-8 either: those who decode the lines
    count them.

    Args:
        stream: of bytes.
        encoding: of them, if no mark says another.

    >>> list(as_utf8(io.BytesIO("für\\rdich".encode("utf-16"))))
    [b'f\\xc3\\xbcr\\n', b'dich']
    """
    stream = buffered(stream)
    encoding = encoding_of(stream.peek(_LOOKED_AT)) or encoding
    if encoding not in ("utf-8", "utf-8-sig"):
        stream = io.BufferedReader(_Recoded(stream, encoding), _BUFFER)
    head = stream.peek(_LOOKED_AT)
    if b"\r" in head[:-1] and b"\n" not in head:
        stream = with_newlines(stream)
    return stream


def with_newlines(stream: BinaryIO) -> BinaryIO:
    """The same text in UTF-8 with `\\n` for each `\\r`.

    >>> with_newlines(io.BytesIO(b"one\\rtwo")).read()
    b'one\\ntwo'
    """
    return io.BufferedReader(_Recoded(buffered(stream)), _BUFFER)


def buffered(stream: BinaryIO) -> BinaryIO:
    """A stream whose first bytes can be seen before they are read."""
    return stream if hasattr(stream, "peek") else io.BufferedReader(stream, _BUFFER)


def _passed_on(error: UnicodeError) -> tuple[str, int]:
    """What is not valid as bytes that are not valid in UTF-8 (PEP 383)."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.startswith(("utf-16", "utf16", "utf-32", "utf32")):
        return "\udcff", error.end  # a unit
    data = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + max(byte, 0x80)) for byte in data), error.end


_INVALID = "massivetext_keras.invalid"
codecs.register_error(_INVALID, _passed_on)


class _Recoded(io.RawIOBase):
    """The bytes of a stream in UTF-8, or, without an encoding, with `\\n` for `\\r`."""

    def __init__(self, stream: BinaryIO, encoding: str | None = None):
        self._stream, self._left = stream, b""
        self._decoder = None
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding)(_INVALID)

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        while not self._left:
            data = self._stream.read1(_BUFFER)
            self._left = self._recode(data)
            if not data:
                break
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def _recode(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data.replace(b"\r", b"\n")
        text = self._decoder.decode(data, final=not data)
        return text.encode("utf-8", "surrogateescape")

    @property
    def damages(self) -> list[Damage]:
        return getattr(getattr(self._stream, "raw", None), "damages", [])

    def go_on(self) -> bool:
        go_on = getattr(getattr(self._stream, "raw", None), "go_on", None)
        return bool(go_on and go_on())

    def close(self) -> None:
        self._stream.close()
        super().close()

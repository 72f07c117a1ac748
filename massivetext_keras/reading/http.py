"""What servers send: the media type of a body, its encodings, and what is in it."""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Callable

import zstandard

from massivetext_keras.reading.content import not_text
from massivetext_keras.support.extras import need

HTML = ("text/html", "application/xhtml+xml")
_TYPE = re.compile(r"(?:^|,)\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.-]+)", re.I)
_WIDE = re.compile("utf-?(?:16|32)(?:-?[lb]e)?")  # no bytes of which are ASCII
_UNKNOWN = ("unknown/unknown", "application/unknown", "application/x-unknown")
# What browsers take for HTML (WHATWG, MIME Sniffing, 7.1)
_PAGE = re.compile(
    rb"(?:<\?xml[^>]*>\s*)?(?:<!--|<(?:!doctype html|html|head|script|iframe|h1|div"
    rb"|font|table|a|style|title|b|body|br|p|meta|link)[\s>/])",
    re.I,
)
_SEEN = 1445  # bytes by which they know
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
_ANY_HEAD = zlib.MAX_WBITS | 32  # of gzip or zlib
_PIECE = 2**10
_MEMBER, _FRAME = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # where those of gzip, zstd begin
_BEGINS = {_MEMBER + b"\x08": "gzip", _FRAME: "zstd"}
# Names that servers give for no encoding at all.
_NO_CODING = ("", "identity", "none", "binary", "7bit", "8bit", "utf-8", "utf8")


@functools.lru_cache(maxsize=1024)
def media_type(header: str | None) -> tuple[str | None, str | None]:
    """The type and the charset that a Content-Type says, the last of several types.

    >>> media_type("text/html, text/html; charset='GBK'"), media_type("html")
    (('text/html', 'gbk'), (None, None))
    """
    header = (header or "").lower()
    types = [name for name in _TYPE.findall(header) if name not in _UNKNOWN]
    charset = _CHARSET.search(header)
    return (types[-1] if types else None), (charset[1] if charset else None)


def sniffed_type(body: bytes, charset: str | None = None) -> str | None:
    """text/html or text/plain by what a body begins with; None if it is no text.

    Args:
        body: without its encodings.
        charset: that its head says.

    >>> (
    ...     sniffed_type(b" <!DOCTYPE html><p>"),
    ...     sniffed_type(b"%PDF-1.4"),
    ...     sniffed_type(b"a"),
    ... )
    ('text/html', None, 'text/plain')
    """
    start = body[:_SEEN].removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(start):
        return "text/html"
    wide = charset if charset is not None and _WIDE.fullmatch(charset) else "utf-8"
    return None if not_text(body, wide) else "text/plain"


def unpacked(data: bytes, headers: dict[str, str], most: int) -> tuple[bytes, bool]:
    """A body as it was before its encodings and its transfer.

    A body that is not encoded as its head says, but is text, is taken as it is; one of
    gzip or zstd data of which it says nothing is decompressed.

    Args:
        data: as it was sent.
        headers: names in lower case, and values.
        most: bytes of what it expands to; no more are given.

    Returns:
        (up to `most` bytes, whether it was cut off in the transfer). Of encoded data
        that end early this is what they are up to there.

    Raises:
        ValueError: an encoding is unknown, its data are damaged, or nothing of them can
            be read.
    """
    length = headers.get("content-length", "")
    codings = [
        coding.strip()
        for name in ("content-encoding", "transfer-encoding")
        for coding in headers.get(name, "").lower().split(",")
    ]
    cut = "chunked" not in codings and length.isdecimal() and len(data) < int(length)
    for coding in reversed(codings):
        if coding == "chunked":
            data, cut = _joined(data)
        elif coding not in _NO_CODING:
            data, whole = _decoded(data, coding, most)
            cut |= not whole
    for begin, coding in _BEGINS.items():
        if data.startswith(begin):
            data, whole = _decoded(data, coding, most)
            cut |= not whole
    return data[:most], cut


def _decoded(data: bytes, coding: str, most: int) -> tuple[bytes, bool]:
    """What data stand for, and whether they are not cut off."""
    if coding not in _DECODERS:
        raise ValueError(f"its encoding {coding} is not known")
    if not data:
        return b"", True
    try:
        text, whole = _DECODERS[coding](data, most)
    except (zlib.error, zstandard.ZstdError, need("brotli").error) as error:
        if sniffed_type(data):  # a server, or an archive, that did not mean it
            return data, True
        raise ValueError(f"its {coding} data are damaged: {error}") from None
    if not (whole or text):
        raise ValueError(f"its {coding} data end early")
    return text, whole or len(text) >= most


def _deflated(data: bytes, most: int, window: int = _ANY_HEAD) -> tuple[bytes, bool]:
    decompressor = zlib.decompressobj(window)
    return decompressor.decompress(data, most), decompressor.eof


def _gunzipped(data: bytes, most: int) -> tuple[bytes, bool]:
    """All members of gzip data; what stands behind them is not read."""
    parts: list[bytes] = []
    size, whole = 0, True
    while size < most and (not parts or data.startswith(_MEMBER)):
        decompressor = zlib.decompressobj(_ANY_HEAD)
        parts.append(decompressor.decompress(data, most - size))
        size, whole = size + len(parts[-1]), decompressor.eof
        data = decompressor.unused_data
    return b"".join(parts), whole


def _deflated_or_raw(data: bytes, most: int) -> tuple[bytes, bool]:
    try:
        return _deflated(data, most)
    except zlib.error:  # as some servers understood "deflate"
        return _deflated(data, most, -zlib.MAX_WBITS)


def _brotli(data: bytes, most: int) -> tuple[bytes, bool]:
    decompressor = need("brotli").Decompressor()
    parts = [decompressor.process(data, output_buffer_limit=most)]
    size = len(parts[0])
    while size < most and not decompressor.is_finished():
        parts.append(decompressor.process(b"", output_buffer_limit=most))
        size += len(parts[-1])
        if not parts[-1]:
            break
    return b"".join(parts), decompressor.is_finished()


def _zstandard(data: bytes, most: int) -> tuple[bytes, bool]:
    parts, size, at, whole = [], 0, 0, True
    while size < most and at < len(data):
        if whole:
            if at and not data.startswith(_FRAME, at):
                break
            decompressor = zstandard.ZstdDecompressor().decompressobj()
        piece = data[at : at + _PIECE]
        parts.append(decompressor.decompress(piece))
        size, whole = size + len(parts[-1]), decompressor.eof
        at += len(piece) - len(decompressor.unused_data)
    return b"".join(parts), whole


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _deflated_or_raw,
    "br": _brotli,
    "zstd": _zstandard,
}


def _joined(data: bytes) -> tuple[bytes, bool]:
    """The chunks of a body (RFC 9112, 7.1), and whether the last is missing.

    Other data are given as they are.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at, at + 100)  # some servers have no CR
        head = data[at:end].split(b";")[0].strip()
        if end < 0 or not _SIZE.fullmatch(head):
            return (b"".join(parts), True) if parts else (data, False)
        size = int(head, 16)
        if not size:
            return b"".join(parts), False
        parts.append(data[end + 1 : end + 1 + size])
        at = end + 1 + size
        at += 1 + data.startswith(b"\r", at)
    return b"".join(parts), True

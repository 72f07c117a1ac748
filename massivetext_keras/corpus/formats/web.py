"""Pages: files of HTML, and the archives of crawls."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.corpus.documents import Document
from massivetext_keras.corpus.formats.common import (
    Options,
    Problem,
    problem,
    too_large,
)
from massivetext_keras.corpus.streams import DamagedFile, decode
from massivetext_keras.extras import need

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})""", re.I)
_HEAD = 4096  # bytes of a page in which its encoding is declared
_HTML = ("text/html", "application/xhtml+xml")
_READ = _LINE = 65_536
_MOST_HEADERS = 1000
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
_ANY_HEAD = zlib.MAX_WBITS | 32  # of gzip or zlib


def read_page(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads a file of HTML."""
    data = stream.read(options.max_document_bytes + 1)
    if len(data) > options.max_document_bytes:
        yield too_large(options)
        return
    yield _page(data)


def _page(data: bytes, declared: str | None = None) -> Document:
    text, invalid = decode_page(data, declared)
    columns = {"invalid_bytes": invalid} if invalid else {}
    return Document(text, kind="html", columns=columns)


def decode_page(data: bytes, declared: str | None = None) -> tuple[str, int]:
    """The text of a page, and how many bytes of it were not valid.

    The encoding is UTF-8 if that is valid for most that is not ASCII, else what the
    server or the page declares, else what the bytes are most like (uchardet). Labels
    mean what they mean to browsers (WHATWG, Encoding).

    Args:
        data: of the page.
        declared: by the server.

    >>> decode_page('<meta charset="gbk">中文'.encode("gbk"))
    ('<meta charset="gbk">中文', 0)
    """
    text, invalid = decode(data)
    if invalid:
        beyond = len(text) - len(text.encode("ascii", "ignore")) - text.count("\ufffd")
    if not invalid or invalid < beyond:
        return text, invalid
    encodings = need("resiliparse.parse.encoding")
    found = _CHARSET.search(data, 0, _HEAD)
    for label in (declared, found and found[1].decode("ascii")):
        name = label and encodings.map_encoding_to_html5(label, fallback_utf8=False)
        if name and name != "utf-8":
            return decode(data, name)
    return decode(data, encodings.detect_encoding(data) or "utf-8")


def read_warc(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads the pages of a WARC file (ISO 28500), or the texts of a WET file.

    Responses with another status than 200 and what is neither HTML nor plain text are
    left out. `columns["date"]` is when the page was fetched.

    It is not left to a library: warcio 1.8 holds what a page expands to, FastWARC 2.0
    panics where data are damaged.
    """
    while line := stream.readline(_LINE):
        if line.isspace():
            continue
        if not line.startswith(b"WARC/"):
            raise DamagedFile(f"no record begins with {line[:20]!r}")
        headers = _headers(stream)
        length = headers.get("content-length", "")
        if not length.isdecimal():
            raise DamagedFile(f"a record of length {length[:20]!r}")
        body = _Body(stream, int(length))
        found = _of_record(headers, body, options)
        body.skip()
        if found is not None:
            yield found


class _Body:
    """The bytes of a record."""

    def __init__(self, stream: BinaryIO, length: int):
        self._stream, self.left = stream, length

    def read(self, most: int) -> bytes:
        """As many bytes as there are, up to some number."""
        wanted = min(most, self.left)
        data = self._stream.read(wanted)
        if len(data) < wanted:
            raise DamagedFile("it ends within a record")
        self.left -= wanted
        return data

    def readline(self, most: int) -> bytes:
        """The next line, or its beginning."""
        line = self._stream.readline(min(most, self.left))
        self.left -= len(line)
        return line

    def skip(self) -> None:
        """Passes over the rest."""
        while self.left:
            self.read(_READ)


def _headers(stream: BinaryIO | _Body) -> dict[str, str]:
    """Names in lower case and values, up to the empty line that ends them."""
    headers: dict[str, str] = {}
    name = ""
    for _ in range(_MOST_HEADERS):
        line = stream.readline(_LINE)
        if not line.endswith(b"\n"):
            break
        text = line.decode("utf-8", "replace").rstrip()
        if not text:
            return headers
        if text[0] in " \t" and name:  # goes on with the line before
            headers[name] += " " + text.strip()
            continue
        name, _, value = text.partition(":")
        name = name.strip().lower()
        headers.setdefault(name, value.strip())
    raise DamagedFile("it ends within the head of a record")


def _of_record(
    headers: dict[str, str], body: _Body, options: Options
) -> Document | Problem | None:
    if headers.get("warc-type") not in ("response", "resource", "conversion"):
        return None
    url = headers.get("warc-target-uri", "").strip("<>")
    media, charset = _media(headers.get("content-type"))
    http: dict[str, str] = {}
    if media == "application/http":
        status = body.readline(_LINE).split()
        if len(status) < 2 or not status[0].startswith(b"HTTP/"):
            return problem("bad_record", f"{url}: not HTTP", body.left)
        if status[1] != b"200":
            return None
        try:
            http = _headers(body)
        except DamagedFile:
            if not body.left:
                return problem("bad_record", f"{url}: a head without end")
            raise
        media, charset = _media(http.get("content-type"))
    if media not in (*_HTML, "text/plain"):
        return None
    most = options.max_document_bytes
    data = body.read(most + 1)
    if len(data) <= most:
        try:
            data = _unpacked(data, http, most + 1)
        except (ValueError, zlib.error) as error:
            return problem("bad_record", f"{url}: {error}", len(data))
    if len(data) > most:
        return too_large(options, url)
    document = _page(data, charset)
    document.kind = "html" if media in _HTML else "text"
    document.url = url or None
    if "warc-date" in headers:
        document.columns["date"] = headers["warc-date"]
    return document


def _unpacked(data: bytes, headers: dict[str, str], most: int) -> bytes:
    """A body as it was before its transfer, up to `most` bytes of it.

    Raises:
        ValueError, zlib.error: it is not encoded as its head says.
    """
    if headers.get("transfer-encoding", "").lower() == "chunked":
        data = _joined(data)
    encoding = headers.get("content-encoding", "").lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        if encoding != "deflate" and data[:2] != b"\x1f\x8b":
            return data  # a server, or an archive, that did not mean it
        is_raw = encoding == "deflate" and data[:1] != b"\x78"
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else _ANY_HEAD)
        data = decompressor.decompress(data, most)
        if len(data) < most and not decompressor.eof:
            raise ValueError(f"its {encoding} data end early")
    elif encoding not in ("", "identity"):
        raise ValueError(f"its encoding {encoding} is not known")
    return data


def _joined(data: bytes) -> bytes:
    """The chunks of a body (RFC 9112, 7.1); other data as they are."""
    parts, at = [], 0
    while at < len(data):
        end = data.find(b"\r\n", at, at + 100)
        head = data[at:end].split(b";")[0].strip()
        if end < 0 or not _SIZE.fullmatch(head):
            return b"".join(parts) if parts else data
        size = int(head, 16)
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size if size else len(data)
    return b"".join(parts)


def _media(header: str | None) -> tuple[str, str | None]:
    """`text/html; charset=x` -> ("text/html", "x")."""
    media, *parameters = (header or "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media.strip(), value.strip(" \"'")
    return media.strip(), None

"""Pages: files of HTML, and the archives of crawls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.corpus.documents import Document
from massivetext_keras.corpus.formats.common import (
    Options,
    Problem,
    too_large,
)
from massivetext_keras.corpus.streams import DamagedFile, decode

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})""", re.I)
_HEAD = 4096  # bytes of a page in which its encoding is declared
_HTML = ("text/html", "application/xhtml+xml")
_READ = 65_536


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

    The encoding is UTF-8 if that is valid, else what the server or the page declares,
    else what the bytes are most like (uchardet). Labels mean what they mean to browsers
    (WHATWG, Encoding).

    Args:
        data: of the page.
        declared: by the server.

    >>> decode_page('<meta charset="gbk">中文'.encode("gbk"))
    ('<meta charset="gbk">中文', 0)
    """
    try:
        return data.decode("utf-8-sig"), 0
    except UnicodeDecodeError:
        pass
    from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

    found = _CHARSET.search(data, 0, _HEAD)
    for label in (declared, found and found[1].decode("ascii")):
        name = label and map_encoding_to_html5(label, fallback_utf8=False)
        if name and name != "utf-8":
            return decode(data, name)
    return decode(data, detect_encoding(data) or "utf-8")


class _Chunks:
    """A stream of which a read loses nothing that lies before damaged data."""

    def __init__(self, stream: BinaryIO):
        self.read = stream.read1


def read_warc(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads the pages of a WARC file, or the texts of a WET file.

    Responses with another status than 200 and what is neither HTML nor plain text are
    left out. `columns["date"]` is when the page was fetched.
    """
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    try:
        for record in ArchiveIterator(_Chunks(stream)):
            found = _of_record(record, options)
            if found is not None:
                yield found
    except ArchiveLoadFailed as error:
        raise DamagedFile(str(error)) from error


def _of_record(record, options: Options) -> Document | Problem | None:
    if record.rec_type not in ("response", "resource", "conversion"):
        return None
    url = record.rec_headers.get_header("WARC-Target-URI")
    headers = record.http_headers
    if headers is not None and headers.get_statuscode() != "200":
        return None
    media, charset = _media((headers or record.rec_headers).get_header("Content-Type"))
    if media not in (*_HTML, "text/plain"):
        return None
    data = _payload(record.content_stream(), options.max_document_bytes + 1)
    if len(data) > options.max_document_bytes:
        return too_large(options, url or "")
    if not record.raw_stream.read(1) and record.raw_stream.limit:
        raise DamagedFile(f"it ends within the record of {url}")
    document = _page(data, charset)
    document.kind = "html" if media in _HTML else "text"
    document.url = url
    if date := record.rec_headers.get_header("WARC-Date"):
        document.columns["date"] = date
    return document


def _payload(stream, most: int) -> bytes:
    """Up to `most` bytes of a page; a stream may give less than it is asked for."""
    parts, left = [], most
    while left and (part := stream.read(min(left, _READ))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _media(header: str | None) -> tuple[str, str | None]:
    """`text/html; charset=x` -> ("text/html", "x")."""
    media, *parameters = (header or "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media.strip(), value.strip(" \"'")
    return media.strip(), None

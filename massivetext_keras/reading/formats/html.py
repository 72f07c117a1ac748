"""Pages of the web: a file is a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.streams import decode, read_whole
from massivetext_keras.support.extras import need

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})""", re.I)
_HEAD = 4096  # bytes of a page in which its encoding is declared
_BEGINS = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*)?<!doctype html|\s*<html[\s>]", re.I)


def _is_page(head: bytes) -> bool:
    return bool(_BEGINS.match(head.decode("utf-8", "replace").removeprefix("\ufeff")))


@format(
    suffixes=[".html", ".htm", ".xhtml"], is_text=True, is_one=True, begins=_is_page
)
def html(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads a file of HTML."""
    data = read_whole(stream, options.max_document_bytes)
    if data is None:
        yield options.too_large()
        return
    yield page_of(data)


def page_of(data: bytes, declared: str | None = None) -> Document:
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

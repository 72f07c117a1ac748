"""WARC and WET: the archives of crawls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.formats.html import page_of
from massivetext_keras.reading.http import HTML, media_type, sniffed_type, unpacked
from massivetext_keras.reading.streams import DamagedFile, go_on

_READ = _LINE = 65_536
_MOST_HEADERS = 1000
_LISTS = ("content-encoding", "transfer-encoding")  # lines of one name go on
_VERSION = re.compile(rb"WARC/\d")
_OWN = "metadata"  # the scheme of what wget notes of itself
_HTTP = b"HTTP/"


@format(suffixes=[".warc", ".wet"], begins=lambda head: bool(_VERSION.match(head)))
def warc(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads the pages of a WARC file (ISO 28500), or the texts of a WET file.

    What servers sent that is no page is a problem, so that it is counted: another
    status than 200, pictures, and binary data whatever their Content-Type says. Pages
    are HTML and plain text, by their Content-Type, or by what they begin with if they
    have none. So are resources, wherever they come from. Requests, metadata and what a
    crawler notes of itself (`metadata://`) are no responses. A page that was cut off is
    read as far as it goes, and is a problem besides. Behind what is damaged, reading
    goes on with the next record. `columns["date"]` is when the page was fetched.

    It is not left to a library: of 100 pages with 20 to 100 bytes of damage in the
    second fifth, warcio 1.8 gives 24 to 45 and ends, if the archive is compressed
    without a word, and FastWARC 2.0 panics; here 99 are read. Memory is no reason:
    with pages of 60 and 240 MB it was 50 MB with warcio and 34 to 43 MB here.
    """
    line = b""
    while (line := line or stream.readline(_LINE)) or go_on(stream):
        try:
            if line and not line.isspace():
                yield from _record(line, stream, options)
            line = b""
        except DamagedFile as error:
            line = b""
            if not go_on(stream):  # else it is damage that the stream tells of
                yield problem("damaged", str(error))
                while (line := stream.readline(_LINE)) and not _VERSION.match(line):
                    pass


def _record(
    line: bytes, stream: BinaryIO, options: Options
) -> Iterator[Document | Problem]:
    """What comes of the record that begins with a line."""
    if not _VERSION.match(line):
        raise DamagedFile(f"no record begins with {line[:20]!r}")
    headers = _headers(stream)
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise DamagedFile(f"a record of length {length[:20]!r}")
    body = _Body(stream, int(length))
    found = list(_of_record(headers, body, options))
    body.skip()
    yield from found


class _Body:
    """The bytes of a record."""

    def __init__(self, stream: BinaryIO, length: int):
        self._stream, self.left = stream, length
        self._ahead = b""

    def begins_with(self, what: bytes) -> bool:
        """Whether the bytes that are not yet read begin so; for once, at the start."""
        self._ahead = self._stream.read(min(len(what), self.left))
        return self._ahead == what

    def read(self, most: int) -> bytes:
        """As many bytes as there are, up to some number."""
        wanted = min(most, self.left)
        data, self._ahead = self._ahead[:wanted], self._ahead[wanted:]
        data += self._stream.read(wanted - len(data))
        if len(data) < wanted:
            raise DamagedFile("it ends within a record")
        self.left -= wanted
        return data

    def readline(self, most: int) -> bytes:
        """The next line, or its beginning."""
        line, self._ahead = self._ahead, b""
        if not line.endswith(b"\n"):
            line += self._stream.readline(min(most, self.left) - len(line))
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
        value = value.strip()
        if name in _LISTS and name in headers:
            value = f"{headers.pop(name)}, {value}"
        headers.setdefault(name, value)
    raise DamagedFile("it ends within the head of a record")


def _of_record(
    headers: dict[str, str], body: _Body, options: Options
) -> Iterator[Document | Problem]:
    kind = headers.get("warc-type", "").lower()
    url = headers.get("warc-target-uri", "").strip("<>")
    name = url or headers.get("warc-record-id", "a record without a name")
    if kind == "continuation":
        yield problem("bad_record", f"{name}: a segment of a record", body.left)
    is_own = kind == "resource" and url.partition(":")[0].lower() == _OWN
    if kind not in ("response", "resource", "conversion") or is_own:
        return
    size = body.left
    media, charset = media_type(headers.get("content-type"))
    http: dict[str, str] = {}
    is_http = kind == "response" and body.begins_with(_HTTP)
    if is_http or media == "application/http":
        answer = _answer(body, name)
        if isinstance(answer, Problem):
            yield answer
            return
        http = answer
        media, charset = media_type(http.get("content-type"))
    if media not in (*HTML, "text/plain", None):
        yield problem("no_page", f"{name}: {media}", size)
        return
    most = options.max_document_bytes
    data, cut = body.read(most + 1), False
    if len(data) <= most:
        try:
            data, cut = unpacked(data, http, most + 1)
        except ValueError as error:
            yield problem("bad_record", f"{name}: {error}", len(data))
            return
    if len(data) > most:
        yield options.too_large(name)
        return
    sniffed = sniffed_type(data, charset)
    if sniffed is None:
        yield problem(
            "no_page", f"{name}: {media or 'no Content-Type'}, but no text", size
        )
        return
    media = media or sniffed
    document = page_of(data, charset)
    document.kind = "html" if media in HTML else "text"
    document.url = url or None
    if "warc-date" in headers:
        document.columns["date"] = headers["warc-date"]
    yield document
    why = headers.get("warc-truncated") or ("transfer" if cut else "")
    if why:
        yield problem("damaged", f"{name}: cut off when it was fetched ({why})")


def _answer(body: _Body, url: str) -> dict[str, str] | Problem:
    """The headers of a response, or why it is no page."""
    size = body.left
    status = body.readline(_LINE).split()
    if len(status) < 2 or not status[0].startswith(b"HTTP/"):
        return problem("bad_record", f"{url}: not HTTP", body.left)
    if status[1] != b"200":
        code = status[1].decode("ascii", "replace")
        return problem("no_page", f"{url}: status {code[:20]}", size)
    try:
        return _headers(body)
    except DamagedFile:
        if not body.left:
            return problem("bad_record", f"{url}: a head without end")
        raise

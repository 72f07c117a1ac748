"""XML dumps of MediaWiki, such as Wikipedia's pages-articles."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from urllib.parse import quote
from xml.parsers import expat

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.streams import DamagedFile, go_on
from massivetext_keras.reading.wikitext import HIDDEN, plain_text

_READ = 2**16
_ROOT, _PAGE = b"<mediawiki>", b"<page>"
_KEPT = frozenset({"title", "ns", "id", "text", "timestamp", "model", "base"})
_HIDDEN_SPACES = ("6", "14")  # of pictures and of categories
_REDIRECT = re.compile(r"\s*#(?:redirect|weiterleitung|重定向|重新導向)\b", re.I)
_BEGINS = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*)?<mediawiki[\s>]", re.I)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?=-|$)")


def _is_dump(head: bytes) -> bool:
    return bool(_BEGINS.match(head.decode("utf-8", "replace").removeprefix("\ufeff")))


@format(suffixes=[".xml"], begins=_is_dump)
def mediawiki(
    stream: io.BufferedReader, options: Options
) -> Iterator[Document | Problem]:
    """Reads the articles of a dump as plain text; see `wikitext.plain_text`.

    Redirects, pages of other namespaces than the articles' (talk, users, templates) and
    pages that are not wikitext are left out. Of several revisions the last is read. The
    URL is made of the wiki's base and the title; the language is that of the wiki.
    Behind what is no XML, reading goes on with the next page.
    """
    pages, data = _Pages(options), None
    while data != b"":
        data = stream.read1(_READ)
        if not data and go_on(stream):
            data = None
            pages.begin_anew()
            continue
        try:
            pages.parse(data)
        except DamagedFile:
            yield from pages.take()
            raise
        yield from pages.take()


class _Pages:
    """Gathers the fields of pages from the events of a parser."""

    def __init__(self, options: Options):
        self._begin()
        self._options = options
        self._ready: list[Document | Problem] = []
        self._fields: dict[str, str] = {}
        self._parts: list[str] = []
        self._room = 0
        self._base: str | None = None
        self._language: str | None = None
        self._hidden = HIDDEN

    def _begin(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = _READ
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._entity
        self._path: list[str] = []
        self._taken = 0
        self._skipped: bytes | None = None

    def begin_anew(self) -> None:
        """Goes on with the next page, behind what is damaged."""
        self._begin()
        self.parser.Parse(_ROOT, False)
        self._taken = len(_ROOT)
        self._skipped = b""

    def parse(self, data: bytes) -> None:
        """Takes the next bytes, none at the end.

        Raises:
            DamagedFile: they are XML, but not that of a dump.
        """
        while True:
            if self._skipped is not None:
                data = self._skipped + data
                place = data.find(_PAGE)
                self._skipped = None if place >= 0 else data[1 - len(_PAGE) :]
                if place < 0:
                    return
                data = data[place:]
            try:
                self.parser.Parse(data, not data)
                self._taken += len(data)
                return
            except expat.ExpatError as error:
                if not self._path:
                    raise DamagedFile(f"not XML: {error}") from error
                self._ready.append(problem("damaged", f"not XML: {error}"))
                data = data[max(self.parser.ErrorByteIndex - self._taken, 0) :]
                self.begin_anew()

    def take(self) -> list[Document | Problem]:
        """The pages that were completed since the last time."""
        ready, self._ready = self._ready, []
        return ready

    def _entity(self, name, *_) -> None:
        raise DamagedFile(f"it declares the entity {name!r}, which dumps do not")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path:
            if tag != "mediawiki":
                raise DamagedFile(f"its root is <{tag[:40]}>, not <mediawiki>")
            if found := _LANGUAGE.match(attributes.get("xml:lang", "")):
                self._language = found[0]
        if len(self._path) > 20:
            raise DamagedFile("its elements are nested as no dump's are")
        self._path.append(tag)
        if tag == "page":
            self._fields = {}
        elif tag == "redirect":
            self._fields["redirect"] = tag
        elif tag in _KEPT or (
            tag == "namespace" and attributes.get("key") in _HIDDEN_SPACES
        ):
            self._parts, self._room = [], self._options.max_document_bytes
            self.parser.CharacterDataHandler = self._data

    def _data(self, data: str) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self._parts.append(data)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if self.parser.CharacterDataHandler:
            self.parser.CharacterDataHandler = None
            value, self._parts = "".join(self._parts), []
            parent = self._path[-1] if self._path else ""
            if tag == "namespace":
                self._hidden |= {value.lower()}
            elif tag == "base":
                self._base = value.rpartition("/")[0] + "/"
            elif tag == "text" and self._room < 0:
                self._fields["too_large"] = tag
            elif tag != "id" or parent == "page":
                self._fields[tag] = value
        elif tag == "page":
            row = self._page(self._fields)
            if row is not None:
                self._ready.append(row)

    def _page(self, fields: dict[str, str]) -> Document | Problem | None:
        title = fields.get("title", "")
        if (
            fields.get("ns", "0") != "0"
            or "redirect" in fields
            or fields.get("model", "wikitext") != "wikitext"
        ):
            return None
        if "too_large" in fields:
            return self._options.too_large(f"{title!r}")
        source = fields.get("text", "")
        if _REDIRECT.match(source):
            return None
        text = plain_text(source, self._hidden)
        if not text:
            return problem("empty", f"{title!r}", len(source.encode()))
        columns = {"title": title}
        if "timestamp" in fields:
            columns["date"] = fields["timestamp"]
        path = quote(title.replace(" ", "_"), safe="/:(),!*'@;$~")
        url = f"{self._base}{path}" if self._base else None
        return Document(text, url=url, language=self._language, columns=columns)

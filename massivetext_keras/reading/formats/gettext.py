"""Catalogues of translated messages of programs (gettext, .po)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.reading.document import Document, Problem, problem
from massivetext_keras.reading.formats import Options, format
from massivetext_keras.reading.streams import decode, read_whole

_CHARSET = re.compile(rb"charset=([\w:.-]{1,40})", re.I)
_LANGUAGE = re.compile(r"^Language:[ \t]*([a-z]{2,3})(?![a-z])", re.M | re.I)
_LINE = re.compile(r'(?:(msgid|msgid_plural|msgctxt|msgstr)(?:\[\d+\])?)?\s*"(.*)"$')
_BYTE = r"x[0-9a-fA-F]{1,2}|[0-7]{1,3}"
_ESCAPE = re.compile(rf"(?:\\(?:{_BYTE}))+|\\.", re.S)
_BLANKS = " \t\r\f\v"  # not the line ends of Unicode, which a string may have
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@format(suffixes=[".po"], is_text=True, is_one=True)
def gettext(stream: BinaryIO, options: Options) -> Iterator[Document | Problem]:
    """Reads a catalogue as one document: its translations, between empty lines.

    Messages that are not translated, marked as fuzzy or obsolete are left out. In a
    template, which translates none, the messages themselves are the text, which is
    English. The language is that of the head.

    It is not left to polib 1.2, which gives up a catalogue for one bad line or a line
    separator of Unicode in a text, and leaves bytes such as \\303\\274 as they are.
    """
    data = read_whole(stream, options.max_document_bytes)
    if data is None:
        yield options.too_large()
        return
    found = _CHARSET.search(data, 0, 10_000)
    label = found[1].decode("ascii") if found else "utf-8"
    try:
        text, invalid = decode(data, label.lower())
    except LookupError:  # a template says CHARSET
        text, invalid = decode(data)
        label = "utf-8"
    originals, translations, head = [], [], ""
    for entry in _entries(text, label):
        original, translated = entry.get("msgid", [""]), entry.get("msgstr", [])
        if original == [""]:
            head = "".join(translated)
            continue
        originals += [*original, *entry.get("msgid_plural", [])]
        translations += [message for message in translated if message]
    if not (originals or head):
        yield problem("empty" if not text.strip() else "bad_record", "no messages")
        return
    language = _LANGUAGE.search(head)
    document = Document("\n\n".join(translations or originals))
    if translations and language:
        document.language = language[1].lower()
    elif not translations:
        document.language = "en"
    if invalid:
        document.columns["invalid_bytes"] = invalid
    yield document


def _entries(text: str, encoding: str) -> Iterator[dict[str, list[str]]]:
    """The entries of a catalogue: keyword -> its strings (of plurals, several).

    Those that are fuzzy or obsolete are left out, but for the head, which templates
    mark as fuzzy.
    """
    entry: dict[str, list[str]] = {}
    strings: list[str] = []
    fuzzy = next_fuzzy = False
    for line in [*text.split("\n"), 'msgid ""']:
        line = line.strip(_BLANKS)
        if line.startswith("#~"):
            next_fuzzy = False  # what was said before is said of an obsolete entry
        elif line.startswith("#,"):
            flags = [flag.strip() for flag in line[2:].split(",")]
            next_fuzzy |= "fuzzy" in flags
        match = None if line.startswith("#") else _LINE.match(line)
        if not match:
            continue
        keyword, value = match[1], _unescaped(match[2], encoding)
        if not keyword:
            if strings:
                strings[-1] += value
            continue
        if "msgstr" in entry and keyword != "msgstr":  # the next entry begins
            if not fuzzy or entry.get("msgid") == [""]:
                yield entry
            entry = {}
        if not entry:
            fuzzy, next_fuzzy = next_fuzzy, False
        strings = entry.setdefault(keyword, [])
        strings.append(value)


def _unescaped(text: str, encoding: str) -> str:
    """A string of a catalogue as what it stands for; numbers are of bytes."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _character(match[0], encoding), text)


def _character(escapes: str, encoding: str) -> str:
    code = escapes[1:]
    if code[0] not in "x01234567" or code == "x":
        return _ESCAPES.get(code, code)
    data = bytes(
        (int(code[1:], 16) if code[0] == "x" else int(code, 8)) & 0xFF
        for code in escapes[1:].split("\\")
    )
    return decode(data, encoding)[0]

"""Objects of JSON, one after the other, whether lines, a list or a page holds them."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from massivetext_keras.reading.encodings import valid
from massivetext_keras.reading.streams import buffered, lines
from massivetext_keras.support.extras import need

_MARKS = re.compile(rb'\\.|["{}]', re.S)
_HALF = re.compile("[\ud800-\udfff]")
_LONG_NUMBER = re.compile("[0-9]{19}")
_BETWEEN = b" \t\r\n,[]"
_SEEN, _READ = 2**13, 2**18


_LIST = re.compile(r"\s*\[\s*\{\s*[\"}]")


class Raw(NamedTuple):
    """What should be an object of JSON.

    Attributes:
        where: line or number of it, for people.
        data: its bytes, None if there are too many of them.
    """

    where: str
    data: bytes | None


def raw_objects(stream: BinaryIO, most: int, in_lines: bool = False) -> Iterator[Raw]:
    """The objects of JSON lines, of a list or of values behind each other, unread.

    Args:
        stream: of bytes in UTF-8.
        most: bytes of an object; no more are held.
        in_lines: its name says that it has lines; then only a list is none.

    >>> import io
    >>> data = b'[{"a": "}"},\\n 3, {\\n"b": {}}]'
    >>> for raw in raw_objects(io.BytesIO(data), 20):
    ...     print(raw)
    Raw(where='object 1', data=b'{"a": "}"}')
    Raw(where='object 2', data=b'3')
    Raw(where='object 3', data=b'{\\n"b": {}}')
    """
    stream = buffered(stream)
    head = stream.peek(_SEEN)
    is_list = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if shape_of(head) == "nested" and (is_list or not in_lines):
        yield from _nested(stream, most)
        return
    for number, line in lines(stream, most):
        if line is None or not line.isspace():
            yield Raw(f"line {number}", line)


def _nested(stream: BinaryIO, most: int) -> Iterator[Raw]:
    """Objects that are in no other one, and what stands between them."""
    number = itertools.count(1)
    part, size, depth, inside, left = [], 0, 0, False, b""
    while read := stream.read1(_READ):
        data, at = left + read, 0
        for match in _MARKS.finditer(data):
            mark = match[0]
            if mark == b'"':
                inside = not inside
            elif inside or mark not in b"{}":
                continue
            depth = max(depth + (1 if mark == b"{" else -1) * (mark != b'"'), 0)
            begins, ends = mark == b"{" and depth == 1, mark == b"}" and not depth
            if not (begins or ends):
                continue
            end = match.start() if begins else match.end()
            whole = b"".join([*part, data[at:end]])
            fits = size + end - at <= most
            part, size, at = [], 0, end
            if begins:
                whole, fits = whole.strip(_BETWEEN)[:most], True
            if whole:
                yield Raw(f"object {next(number)}", whole if fits else None)
        trail = len(data) - len(data.rstrip(b"\\"))
        end = len(data) - trail % 2  # one that means something with what follows
        left, size = data[end:], size + end - at
        if size <= most:
            part.append(data[at:end])
    if rest := b"".join(part).strip(_BETWEEN):
        yield Raw(f"object {next(number)}", rest)


def parse_json(text: str) -> Any:
    """The value of JSON; also with NaN, deep nesting and halves of surrogate pairs.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    return parsed(text)[0]


def parsed(text: str) -> tuple[Any, int]:
    """The value of JSON, and how many halves of surrogate pairs became U+FFFD in it.

    Raises:
        ValueError, RecursionError: it is no JSON.

    >>> parsed('{"text": "a\\\\ud83d"}')
    ({'text': 'a\ufffd'}, 1)
    """
    with contextlib.suppress(ImportError, ValueError):
        if not _LONG_NUMBER.search(text):
            return need("orjson").loads(text), 0
    # Python's parser takes NaN, deeper nesting, halves of surrogate pairs, and all the
    # digits of an integer.
    halves: list[str] = []
    return _valid(json.loads(text), halves), len(halves)


def _valid(value: Any, halves: list[str]) -> Any:
    """The strings of a record with U+FFFD where half of a surrogate pair stood."""
    if isinstance(value, dict):
        pairs = value.items()
        return {_valid(name, halves): _valid(item, halves) for name, item in pairs}
    if isinstance(value, list):
        return [_valid(item, halves) for item in value]
    if isinstance(value, str):
        halves += _HALF.findall(value)
        return valid(value)
    return value


def shape_of(head: bytes) -> str | None:
    """How objects of JSON lie in a file: in "lines", or "nested"; None for no JSON.

    Args:
        head: its first bytes, in UTF-8.

    >>> [shape_of(x) for x in (b'[{"a": 1},', b'{"a": 1}\\n{"', b'{\\n"a"', b"{a}")]
    ['nested', 'lines', 'nested', None]
    """
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    if _LIST.match(text):
        return "nested"
    text = text.lstrip()
    if not text.startswith("{"):
        return None
    line, end, _ = text.partition("\n")
    try:
        return "lines" if isinstance(json.loads(line), dict) else None
    except (ValueError, RecursionError):
        if not re.match(r'\{\s*(?:"|\}|$)', line):
            return None
        # A line may be longer than what is looked at, or a bad one.
        return "nested" if end and line.rstrip()[-1] in "{[," else "lines"

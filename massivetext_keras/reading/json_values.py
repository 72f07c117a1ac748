"""Objects of JSON, one after the other, whether lines, a list or a page holds them."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from massivetext_keras.reading.encodings import valid
from massivetext_keras.reading.streams import buffered, decode_line, lines
from massivetext_keras.support.extras import need

_MARKS = re.compile(rb'\\.|["{}\[\]]', re.S)
_HALF = re.compile("[\ud800-\udfff]")
_LONG_NUMBER = re.compile("[0-9]{19}")
_BETWEEN = b" \t\r\n,[]\xef\xbb\xbf"
_SEEN, _READ = 2**13, 2**18
_LIST = re.compile(r"\s*\[\s*\{\s*[\"}]")
_GOES_ON = (b"{", b"[", b",")  # in the next line

TOO_LARGE, NO_JSON, NO_OBJECT = "too large", "not JSON", "not an object of JSON"


class Raw(NamedTuple):
    """What should be an object of JSON.

    Attributes:
        unit: what is counted, "line" or "object".
        number: of the line or the object, from 1.
        data: its bytes, None if there are too many of them.
        is_text: whether it is a string in a list of strings.
    """

    unit: str
    number: int
    data: bytes | None
    is_text: bool = False


class Found(NamedTuple):
    """A value of JSON, or what is wrong with what stands in its place.

    Attributes:
        where: line or number of it, for people.
        number: of the line or the object, from 1.
        value: an object, or a string of a list of strings; None if there is a fault.
        size: in bytes.
        invalid: bytes that were not valid and became U+FFFD.
        halves: of surrogate pairs that became U+FFFD.
        fault: `TOO_LARGE`, `NO_JSON` or `NO_OBJECT`.
        detail: what the parser says of it.
    """

    where: str
    number: int
    value: dict[str, Any] | str | None
    size: int = 0
    invalid: int = 0
    halves: int = 0
    fault: str | None = None
    detail: str = ""


def values_in(stream: BinaryIO, most: int, in_lines: bool = False) -> Iterator[Found]:
    """The objects of `raw_objects`, or the strings of a list, and what is none.

    Several objects may be on a line, with or without commas behind them.

    >>> import io
    >>> lines = io.BytesIO(b'{"a": 1},\\n{"a": 2} {"a": 3}\\n{"a": 4} five')
    >>> [found.value or found.fault for found in values_in(lines, 20, True)]
    [{'a': 1}, {'a': 2}, {'a': 3}, 'not JSON']
    """
    for raw in raw_objects(stream, most, in_lines):
        found = _found(raw)
        if found.fault == NO_JSON and raw.unit == "line" and raw.data is not None:
            yield from _on_one_line(raw.data, raw.number) or [found]
        else:
            yield found


def _found(raw: Raw) -> Found:
    where = f"{raw.unit} {raw.number}"
    if raw.data is None:
        return Found(where, raw.number, None, fault=TOO_LARGE)
    text, invalid = decode_line(raw.data)
    what = (where, raw.number)
    try:
        value, halves = parsed(text)
    except (ValueError, RecursionError) as error:
        return Found(*what, None, len(raw.data), fault=NO_JSON, detail=str(error))
    if isinstance(value, dict) or (raw.is_text and isinstance(value, str)):
        return Found(*what, value, len(raw.data), invalid, halves)
    return Found(*what, None, len(raw.data), fault=NO_OBJECT)


def _on_one_line(data: bytes, number: int) -> list[Found]:
    """The objects of a line that is not one itself; none if there is anything else on
    it but a last one that was cut off."""
    parts = [*_nested(io.BytesIO(data), len(data))]
    found = [_found(part._replace(unit="line", number=number)) for part in parts]
    is_cut = len(parts) > 1 and (parts[-1].data or b"").startswith(b"{")
    whole = found[:-1] if is_cut else found
    return [] if any(x.fault for x in whole) else found


def raw_objects(stream: BinaryIO, most: int, in_lines: bool = False) -> Iterator[Raw]:
    """The objects of JSON lines, of a list or of values behind each other, unread.

    Where a list begins with a string, all of its strings are found, too.

    Args:
        stream: of bytes in UTF-8.
        most: bytes of an object; no more are held.
        in_lines: its name says that it has lines; then only a list is none, and an
            object whose first line is a brace alone.

    >>> import io
    >>> data = b'[{"a": "}"},\\n 3, {\\n"b": {}}]'
    >>> [raw[1:3] for raw in raw_objects(io.BytesIO(data), 20)]
    [(1, b'{"a": "}"}'), (2, b'3'), (3, b'{\\n"b": {}}')]
    >>> [raw.data for raw in raw_objects(io.BytesIO(b'["a [", "b"]'), 20)]
    [b'"a ["', b'"b"']
    """
    stream = buffered(stream)
    if _is_nested(stream.peek(_SEEN), in_lines):
        yield from _nested(stream, most)
        return
    for number, line in lines(stream, most):
        begins = line if number == 1 and not in_lines else None
        if begins is not None and begins.rstrip().endswith(_GOES_ON):
            yield from _nested(stream, most, begins)
            return
        if line is None or not line.isspace():
            yield Raw("line", number, line)


def _is_nested(head: bytes, in_lines: bool) -> bool:
    """Whether lines are not what divides objects in a file that begins so."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    line, end, rest = text.partition("\n")
    value, behind = None, ""
    with contextlib.suppress(ValueError, RecursionError):
        value, place = json.JSONDecoder().raw_decode(line)
        behind = line[place:].strip()
    if text.startswith("["):  # unless there is a list on each line, as a row
        is_row = isinstance(value, list) and not behind and not _LIST.match(text)
        return not (is_row and rest.strip())
    if isinstance(value, dict) and not end:
        return behind.lstrip(",").lstrip().startswith("{")
    return line.strip() == "{" if in_lines else shape_of(head) == "nested"


def _nested(stream: io.BufferedIOBase, most: int, begun: bytes = b"") -> Iterator[Raw]:
    """Objects that are in no other one, strings of a list, what stands between them.

    Args:
        begun: what was read already.
    """
    number = itertools.count(1)
    part: list[bytes] = []
    size = 0
    # open braces, open brackets around them, the first mark in the outermost
    depth, lists, first, inside = 0, 0, b"", False
    chunks = itertools.chain([begun], iter(lambda: stream.read1(_READ), b""))
    left = b""
    for read in chunks:
        data, at = left + read, 0
        for match in _MARKS.finditer(data):
            mark = match[0]
            begins = ends = is_text = False
            if mark == b'"':
                inside = not inside
                if depth or lists != 1:
                    continue
                first = first or mark
                if first == mark:
                    begins, ends, is_text = inside, not inside, not inside
            elif inside:
                continue
            elif mark == b"{":
                depth += 1
                first, begins = first or mark, depth == 1
            elif mark == b"}":
                depth = max(depth - 1, 0)
                ends = not depth
            elif depth or mark not in b"[]":
                continue
            elif mark == b"[":
                lists += 1
                first, begins = first or mark if lists > 1 else b"", lists < 3
            else:
                lists = max(lists - 1, 0)
                begins, ends = lists == 0, lists == 1
            if not (begins or ends):
                continue
            end = match.start() if begins else match.end()
            whole = b"".join([*part, data[at:end]])
            fits = size + end - at <= most
            part, size, at = [], 0, end
            if begins:
                whole, fits = whole.strip(_BETWEEN)[:most], True
            if mark == b"]" and not whole.strip(_BETWEEN):
                continue
            if whole:
                yield Raw("object", next(number), whole if fits else None, is_text)
        trail = len(data) - len(data.rstrip(b"\\"))
        end = len(data) - trail % 2  # one that means something with what follows
        left, size = data[end:], size + end - at
        if size <= most:
            part.append(data[at:end])
    if rest := b"".join(part).strip(_BETWEEN):
        yield Raw("object", next(number), rest)


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
    line, end, rest = text.partition("\n")
    try:
        return "lines" if isinstance(json.loads(line), dict) else None
    except (ValueError, RecursionError):
        if not re.match(r'\{\s*(?:"|\}|$)', line):
            return None
        # A line may be longer than what is looked at, or a bad one.
        goes_on = line.rstrip()[-1] in "{[," or rest.lstrip()[:1] in (*",}]",)
        return "nested" if end and goes_on else "lines"

"""Types and ranges of arguments: said by annotations, checked before any work begins.

A function declares `min_words: Count = 50`; `checked` refuses what it could not take.
Marks of `typing.Annotated` say more than the type: a range, known names, that a text
names files.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from encodings.aliases import aliases
from typing import Annotated, Any

from massivetext_keras.support.values import Range, nearest, parse_size


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """A mark: one of some names.

    Attributes:
        names: that are known.
        hint: gives the known name that another one means; None where it means none.
    """

    names: Collection[str]
    hint: Callable[[str], str | None] = lambda name: None

    def read(self, value: str) -> str:
        if value in self.names:
            return value
        near = self.hint(value)
        like = f"did you mean {near!r}?" if near else _like(value, self.names)
        raise ValueError(f"unknown {value!r}: {like}")


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A mark: texts that a regular expression matches whole."""

    expression: str
    what: str

    def read(self, value: str) -> str:
        if re.fullmatch(self.expression, value):
            return value
        raise ValueError(f"{value!r} is not {self.what}")


@dataclasses.dataclass(frozen=True)
class Files:
    """A mark: a name, folder or pattern of files; what is in them decides, too.

    Attributes:
        find: gives the paths or URLs that it stands for.
    """

    find: Callable[[str], Iterable[Any]]

    def read(self, value: str) -> str:
        if value:
            return value
        raise ValueError("'' names no file")


class _Size:
    """A mark: bytes, as a number or with a unit."""

    def read(self, value: Any) -> int:
        size = parse_size(value)
        if size < 1:
            raise ValueError(f"{value!r} is not 1 byte or more")
        return size


class _Encoding:
    """A mark: an encoding of texts that Python knows."""

    def read(self, value: str) -> str:
        if _is_encoding(value):
            return value
        known = {name.replace("_", "-") for name in {*aliases, *aliases.values()}}
        raise ValueError(
            f"unknown {value!r}: {_like(value, filter(_is_encoding, known))}"
        )


Share = Annotated[float, Range(least=0, most=1)]
PositiveShare = Annotated[float, Range(above=0, most=1)]
Amount = Annotated[float, Range(least=0, below=math.inf)]
PositiveAmount = Annotated[float, Range(above=0, below=math.inf)]
Count = Annotated[int, Range(least=0)]
Positive = Annotated[int, Range(least=1)]
Size = Annotated[int | str, _Size()]
Encoding = Annotated[str, _Encoding()]
Digits = Annotated[str, Pattern("[1-9][0-9]{0,3}", 'a number of words, as "5"')]


def checked(function: Callable, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a step as its annotations want them.

    Args:
        function: whose keyword-only arguments they are.
        given: name -> value, such as JSON has; all are known names.

    Returns:
        The same, a number of bytes in place of "10MB", a list of a tuple.

    Raises:
        ValueError: a value of the wrong type, out of range or unknown; says which and
            names the nearest right one.

    >>> def step(batch, *, share: Share = 0.5, most: Size = 100): ...
    >>> checked(step, {"most": "10MB"})
    {'most': 10000000}
    >>> checked(step, {"share": 80})
    Traceback (most recent call last):
    ValueError: share: 80 is not from 0 to 1: did you mean 0.8?
    """
    hints = typing.get_type_hints(function, include_extras=True)
    values = {
        name: _read(hints.get(name, Any), value, name) for name, value in given.items()
    }
    every = defaults(function) | values
    for name, value in every.items():
        if value is inspect.Parameter.empty:
            raise ValueError(f"{name}: is missing, and has no default")
    for name, low in every.items():
        high = every.get("max_" + name.removeprefix("min_"))
        numbers = isinstance(low, int | float) and isinstance(high, int | float)
        if name.startswith("min_") and numbers and low > high:
            other = "max_" + name.removeprefix("min_")
            raise ValueError(f"{name}: {low:g} is more than {other}, {high:g}")
    return values


def defaults(function: Callable) -> dict[str, Any]:
    """Keyword-only argument -> default, lists in place of tuples."""
    return {
        name: list(value.default) if isinstance(value.default, tuple) else value.default
        for name, value in inspect.signature(function).parameters.items()
        if value.kind is value.KEYWORD_ONLY
    }


def ranges(function: Callable) -> dict[str, Range]:
    """Argument -> which numbers it takes, of those whose annotation says it.

    >>> def step(share: Share, name: str): ...
    >>> ranges(step)["share"].most
    1
    """
    hints = typing.get_type_hints(function, include_extras=True)
    return {
        name: mark
        for name, hint in hints.items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, Range)
    }


def files_of(function: Callable, given: Mapping[str, Any]) -> Iterator[str]:
    """The files that arguments of a step name.

    Raises:
        FileNotFoundError: of a name or pattern that nothing matches.
        ValueError: of a folder without such files.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    for name, value in given.items():
        for mark, text in _marked(hints.get(name, Any), value):
            try:
                yield from map(str, mark.find(text))
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"{name}: {error}") from None


def _read(hint: Any, value: Any, where: str) -> Any:
    """A value as an annotation wants it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        base, mark = inner
        own = isinstance(mark, _Size) and not isinstance(value, bool | None)
        value = value if own else _read(base, value, where)
        try:
            return _in(mark, value) if isinstance(mark, Range) else mark.read(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        options = [option for option in inner if option is not type(None)]
        fitting = [option for option in options if _fits(option, value)]
        return _read((fitting or options)[0], value, where)
    if origin is typing.Literal:
        if value not in inner:
            raise ValueError(f"{where}: unknown {value!r}: {_like(value, inner)}")
        return value
    if not _fits(hint, value):
        raise ValueError(f"{where}: {_shown(value)} {_wanted(hint, value)}")
    if origin in _SEQUENCES:
        items = enumerate(value)
        return [_read(inner[0], item, f"{where}[{index}]") for index, item in items]
    if origin in _MAPPINGS:
        return {
            _read(inner[0], key, f"{where}, key"): _read(
                inner[1], item, f"{where}.{key}"
            )
            for key, item in value.items()
        }
    if hint is float:
        return float(value)
    return int(value) if hint is int else value


def _in(allowed: Range, value: float) -> float:
    """The number, or an error with the nearest one that is allowed."""
    if value in allowed:
        return value
    least, most, wanted = allowed.least, allowed.most, str(allowed)
    if least is None:
        raise ValueError(f"{value:g} is not {wanted}")
    near, wanted = max(value, least), f"{least:g} or more"
    if most is not None:
        near, wanted = min(near, most), f"from {least:g} to {most:g}"
        if most == 1 < value <= 100:  # a percentage
            near = value / 100
    raise ValueError(f"{value:g} is not {wanted}: did you mean {near:g}?")


_SEQUENCES = (list, Sequence, tuple)
_MAPPINGS = (dict, Mapping)


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value has the type, whatever the marks."""
    origin = typing.get_origin(hint) or hint
    if origin is Annotated:
        return _fits(typing.get_args(hint)[0], value)
    if origin is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if origin is int:
        return _fits(float, value) and value == int(value)
    if origin in _SEQUENCES:
        return isinstance(value, Collection) and not isinstance(value, str | Mapping)
    if origin in _MAPPINGS:
        return isinstance(value, Mapping)
    return origin is Any or isinstance(value, origin)


def _wanted(hint: Any, value: Any) -> str:
    """What a value of the wrong type should have been."""
    origin = typing.get_origin(hint) or hint
    if origin is bool:
        words = {"yes": "true", "on": "true", "1": "true"}
        words |= {"no": "false", "off": "false", "0": "false"}
        word = words.get(str(value).lower(), str(value).lower())
        return f"is not true or false: {_like(word, ('true', 'false'))}"
    if origin in (int, float):
        kind = "a whole number" if origin is int else "a number"
        near = _number(value)
        if near is None or not math.isfinite(near):
            return f"is not {kind}"
        return f"is not {kind}: did you mean {round(near) if origin is int else near}?"
    if origin in _SEQUENCES:
        listed = f': did you mean ["{value}"]?' if isinstance(value, str) else ""
        return f"is not a list{listed}"
    if origin in _MAPPINGS:
        return "is not an object"
    return "is not a text"


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _like(name: Any, known: Iterable[str]) -> str:
    """`nearest`, for names in other letters and what is no name at all too."""
    by_small = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(name).lower(), by_small, n=1)
    return f"did you mean {by_small[found[0]]!r}?" if found else nearest("", known)


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _marked(hint: Any, value: Any) -> Iterator[tuple[Files, str]]:
    """The texts in a value that name files."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return
    if origin is Annotated and isinstance(inner[1], Files):
        yield inner[1], value
    elif origin in (typing.Union, types.UnionType):
        options = [option for option in inner if _fits(option, value)]
        yield from _marked(options[0], value) if options else ()
    elif origin in _SEQUENCES:
        for item in value:
            yield from _marked(inner[0], item)
    elif origin in _MAPPINGS:
        for item in value.values():
            yield from _marked(inner[1], item)

"""Strings that know which of their characters a template wrote, and which were said.

As in the taint mode of Perl, what comes from outside stays marked, here character by
character; what cannot be followed counts as said.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex

# One letter for each character of a text: a small one was written by the template, a
# capital was said. Other letters than this one stand in replies.
_WRITTEN = "w"
REPLIES = ("a", "b")
_SAID = re.compile(r"[A-Z]+")
_PIECE = re.compile(r"(.)\1*", re.IGNORECASE)


class Traced(str):
    """A string like any other, whose operations keep where each character is from.

    Any operation gives the text that `str` gives. Whatever is no `Traced`, such as the
    result of an operation that is not followed, counts as said.

    Arguments:
        text: any.
        sources: a letter for each character, see above (None: all is said).

    >>> mixed = written("<s>") + Traced("<s>a")
    >>> mixed.replace("s", "x"), said_spans(mixed.replace("s", "x"))
    ('<x><x>a', [(1, 2), (3, 7)])
    """

    __slots__ = ("_sources",)
    _sources: str

    def __new__(cls, text: str = "", sources: str | None = None) -> Traced:
        self = super().__new__(cls, text)
        self._sources = _sources_of(text) if sources is None else sources
        return self

    def __str__(self) -> str:
        return self  # not a copy that knows nothing

    # What joins.

    def __add__(self, other: str) -> Traced:
        if not _is_joined(other):
            return NotImplemented
        return Traced(super().__add__(other), self._sources + _sources_of(other))

    def __radd__(self, other: str) -> Traced:
        if not _is_joined(other):
            return NotImplemented
        return Traced(str.__add__(other, self), _sources_of(other) + self._sources)

    def __mul__(self, times: SupportsIndex) -> Traced:
        if not hasattr(times, "__index__"):
            return NotImplemented
        return Traced(super().__mul__(times), self._sources * times)

    __rmul__ = __mul__

    def join(self, parts: Iterable[str], /) -> Traced:
        parts = list(parts)
        text = super().join(parts)
        return Traced(text, self._sources.join(map(_sources_of, parts)))

    # What cuts.

    def __getitem__(self, place: SupportsIndex | slice) -> Traced:
        return Traced(super().__getitem__(place), self._sources[place])

    def __iter__(self) -> Iterator[Traced]:
        return map(Traced, super().__iter__(), self._sources)

    def lstrip(self, chars: str | None = None, /) -> Traced:
        return self[len(self) - len(super().lstrip(chars)) :]

    def rstrip(self, chars: str | None = None, /) -> Traced:
        return self[: len(super().rstrip(chars))]

    def strip(self, chars: str | None = None, /) -> Traced:
        return self.lstrip(chars).rstrip(chars)

    def removeprefix(self, prefix: str, /) -> Traced:
        return self[len(self) - len(super().removeprefix(prefix)) :]

    def removesuffix(self, suffix: str, /) -> Traced:
        return self[: len(super().removesuffix(suffix))]

    def partition(self, sep: str, /) -> tuple[Traced, Traced, Traced]:
        before, between, after = self._parted(super().partition(sep))
        return before, between, after

    def rpartition(self, sep: str, /) -> tuple[Traced, Traced, Traced]:
        before, between, after = self._parted(super().rpartition(sep))
        return before, between, after

    # A list of these is no list of `str` to a type checker, since one may add to it.

    def split(  # type: ignore[override]
        self, sep: str | None = None, maxsplit: SupportsIndex = -1
    ) -> list[Traced]:
        return self._split(super().split(sep, maxsplit), sep)

    def rsplit(  # type: ignore[override]
        self, sep: str | None = None, maxsplit: SupportsIndex = -1
    ) -> list[Traced]:
        return self._split(super().rsplit(sep, maxsplit), sep)

    def splitlines(  # type: ignore[override]
        self, keepends: bool = False
    ) -> list[Traced]:
        lines, whole = super().splitlines(keepends), super().splitlines(True)
        parts = self._parted(whole)
        return [x[: len(line)] for x, line in zip(parts, lines, strict=True)]

    def _parted(self, parts: Iterable[str], between: int = 0) -> tuple[Traced, ...]:
        """Parts of the text that follow one another, so many characters apart."""
        found, place = [], 0
        for part in parts:
            found.append(self[place : place + len(part)])
            place += len(part) + between
        return tuple(found)

    def _split(self, parts: list[str], sep: str | None) -> list[Traced]:
        if sep is not None:
            return list(self._parted(parts, len(sep)))
        found, place = [], 0
        for part in parts:  # of which none begins with white space but at the start
            place = self.find(part, place)
            found.append(self[place : place + len(part)])
            place += len(part)
        return found

    # What changes.

    def replace(self, old: str, new: str, /, count: SupportsIndex = -1) -> Traced:
        text = super().replace(old, new, count)
        if not old:  # between all characters
            return Traced(text)
        parts = (part._sources for part in self.split(old, count))
        return Traced(text, _sources_of(new).join(parts))

    def __mod__(self, values: Any) -> Traced:
        text = super().__mod__(values)
        return checked(text, _filled(self, values) if is_written(self) else ())


def _kept(name: str, changed: bool):
    """A method of `str` whose text is written where that of a template alone is used;
    and one that `changed` the characters one by one keeps where they are from."""
    method = getattr(str, name)

    @functools.wraps(method)
    def call(self, *args, **kwargs) -> Traced:
        text = method(self, *args, **kwargs)
        if changed and len(text) == len(self):  # no character ever becomes none
            return Traced(text, self._sources)
        of_template = all(map(is_written, (self, *args, *kwargs.values())))
        return written(text) if of_template else Traced(text)

    return call


for _name in ("capitalize", "casefold", "lower", "swapcase", "title", "upper"):
    setattr(Traced, _name, _kept(_name, True))
for _name in ("center", "expandtabs", "ljust", "rjust", "translate", "zfill"):
    setattr(Traced, _name, _kept(_name, False))


def written(text: str) -> Traced:
    """A text of a template's own."""
    return Traced(text, _WRITTEN * len(text))


def text_of(value: Any) -> str:
    """What stands for a value in a text: numbers are the template's, which counts."""
    if value is None or isinstance(value, int | float):
        return written(str(value))
    return str(value)


def is_written(value: Any) -> bool:
    """Whether nothing of a value was said."""
    if isinstance(value, Traced):
        return not value or value._sources.islower()
    return value is None or isinstance(value, int | float)


def joined(parts: Iterable[Any]) -> Traced:
    """Values as one text.

    >>> said_spans(joined([written("a"), 12, "b"]))
    [(3, 4)]
    """
    return Traced("").join(map(text_of, parts))


def in_reply(text: str, letter: str) -> Traced:
    """A text that an assistant writes; `letter`, of `REPLIES`, is another one for
    replies that touch."""
    both = str.maketrans(_WRITTEN + _WRITTEN.upper(), letter + letter.upper())
    return Traced(text, _sources_of(text).translate(both))


def said_spans(text: Traced) -> list[tuple[int, int]]:
    """Where what was said begins and ends, in order."""
    return [found.span() for found in _SAID.finditer(text._sources)]


def read_and_replied(text: Traced) -> list[Traced]:
    """What is read and what is replied, in turn, first and last what is read.

    >>> read_and_replied(joined([in_reply("a", "a"), in_reply("b", "b"), "c"]))
    ['', 'a', '', 'b', 'c']
    """
    parts: list[Traced] = []
    for found in _PIECE.finditer(text._sources):
        if len(parts) % 2 != (found[1].lower() != _WRITTEN):
            parts.append(Traced(""))
        parts.append(text[slice(*found.span())])
    return parts if len(parts) % 2 else [*parts, Traced("")]


def _sources_of(text: str) -> str:
    if isinstance(text, Traced):
        return text._sources
    return _WRITTEN.upper() * len(text)


def _is_joined(other: Any) -> bool:
    """Whether `+` joins with it; `Markup` has its own way."""
    return isinstance(other, str) and not hasattr(other, "__html__")


_FIELD = re.compile(r"%(?:\((?P<key>[^()]*)\))?(?P<how>[-#0 +\d.]*[A-Za-z%])")


def _filled(form: Traced, values: Any) -> Iterator[Any]:
    """The parts of `form % values`."""
    place = 0
    rest = iter(values if isinstance(values, tuple) else (values,))
    for found in _FIELD.finditer(form):
        yield form[place : found.start()]
        place, how = found.end(), found["how"]
        if how == "%":
            yield written("%")
            continue
        value = next(rest, None) if found["key"] is None else values[found["key"]]
        if how == "s":
            yield value
        else:
            text = str.__mod__("%" + how, (value,))
            yield written(text) if is_written(value) else text
    yield form[place:]


def checked(text: str, parts: Iterable[Any]) -> Traced:
    """A text as its parts know it, if these are its parts."""
    made = joined(parts)
    return made if made == text else Traced(text)

"""Frozen values with checked fields, what configs are made of."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import json
import math
import operator
import re
import typing
from typing import Any, ClassVar, Self, TypeVar

T = TypeVar("T")
_MOST_LISTED = 20
_UNITS = {"": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS[f"{_letter}B"] = _UNITS[_letter] = 1000**_power
    _UNITS[f"{_letter}IB"] = 1024**_power


class UnknownName(ValueError):
    """A name that is none of those that there are; the message has the nearest one."""


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """The end of an error message: the closest known name, or those that there are.

    >>> nearest("gtp_mini", ["gpt_mini", "gpt2_small"])
    "did you mean 'gpt_mini'?"
    >>> nearest("zzz", ["b", "a"])
    'known: a, b'
    """
    known = sorted(known)
    near = closest(name, known)
    if near:
        return f"did you mean {near!r}?"
    more = len(known) - _MOST_LISTED
    tail = [f"and {more} more"] if more > 0 else []
    return f"known: {', '.join([*known[:_MOST_LISTED], *tail])}"


def closest(name: str, known: typing.Iterable[str]) -> str | None:
    """The known name that is most like a name, if one is.

    >>> closest("boks", ["books", "music"])
    'books'
    """
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return found[0] if found else None


def check_least(least: int, **numbers: int) -> None:
    """Refuses numbers that are too small.

    Raises:
        ValueError: names the first one.

    >>> check_least(1, rows=3, updates=0)
    Traceback (most recent call last):
    ValueError: updates must be at least 1, got 0
    """
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name} must be at least {least}, got {number}")


def choose(what: str, name: str, table: typing.Mapping[str, T]) -> T:
    """Looks a name up in a table.

    Raises:
        UnknownName: it is not there.
    """
    if name not in table:
        raise UnknownName(f"unknown {what} {name!r}: {nearest(name, table)}")
    return table[name]


def parse_size(size: int | str, what: str = "") -> int:
    """Bytes, from a number of them or from text with a unit.

    Args:
        size: such as 100, "64 MiB" or "1.5GB"; KB are 1,000 bytes and KiB 1,024.
        what: it is the size of, for the message.

    Raises:
        ValueError: it is neither.

    >>> parse_size("1.5GB"), parse_size("64 MiB"), parse_size(100)
    (1500000000, 67108864, 100)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(size))
    unit = found and found[2].upper().removesuffix("B" if found[2] == "B" else "")
    if not found or unit not in _UNITS:
        raise ValueError(
            f"{what and f'{what}: '}{size!r} is no size: give bytes, or such as 800MB "
            "or 1.5GB"
        )
    return int(float(found[1]) * _UNITS[unit])


def matching(
    what: str, pattern: str, paths: typing.Iterable[str], noun: str
) -> list[str]:
    """The paths that a regular expression is found in.

    Raises:
        ValueError: it is found in none, or it is no expression.

    >>> matching("frozen", "a.c", ["xabc", "ab"], "weight")
    ['xabc']
    """
    paths = list(paths)
    try:
        found = [path for path in paths if re.search(pattern, path)]
    except re.error as error:
        raise ValueError(
            f"{what}: {pattern!r} is no regular expression: {error}"
        ) from None
    if not found:
        near = nearest(pattern, paths)
        raise ValueError(f"{what}: {pattern!r} is in no {noun}'s path: {near}")
    return found


class Range(typing.NamedTuple):
    """Which numbers a field takes.

    Attributes:
        least, most: bounds that are among its values (None: no bound).
        above, below: bounds that are not.

    >>> str(Range(least=0, below=1)), str(Range(above=0)), str(Range(most=9))
    ('in [0, 1)', 'positive', 'at most 9')
    >>> 0.0 in Range(least=0, below=1), 1.0 in Range(least=0, below=1)
    (True, False)
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: Any) -> bool:
        return bool(self.holds(value))

    def holds(self, value: Any) -> Any:
        """Whether a number, or each of a tensor, is in the range; NaN is in none."""
        checks = (
            (self.least, operator.ge),
            (self.most, operator.le),
            (self.above, operator.gt),
            (self.below, operator.lt),
        )
        found = [holds(value, x) for x, holds in checks if x is not None]
        return functools.reduce(operator.and_, found, True)

    def __str__(self):
        low = self.above if self.least is None else self.least
        high = self.below if self.most is None else self.most
        if low is not None and high not in (None, math.inf):
            opening = "(" if self.least is None else "["
            closing = ")" if self.most is None else "]"
            return f"in {opening}{low:g}, {high:g}{closing}"
        if (self.least, self.above) in ((1, None), (None, 0)) and self.most is None:
            return "positive"
        bounds = {
            "at least": self.least,
            "above": self.above,
            "at most": self.most,
            "below": self.below,
        }
        known = ((k, x) for k, x in bounds.items() if x not in (None, math.inf))
        return " and ".join(f"{word} {x:g}" for word, x in known)


def setting(
    default: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: typing.Sequence[str] | None = None,
    instead_of: typing.Sequence[str] = (),
) -> Any:
    """A field of a `Config` that says which values it takes.

    Args:
        default: its value where none is given.
        least, most, above, below: bounds of a number, see `Range`.
        choices: the strings that it may be.
        instead_of: other fields, from which this one follows unless they are None. To
            change this one alone sets them to None.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Sizes(Config):
    ...     count: int = setting(3, least=1)
    >>> Sizes(count=0)
    Traceback (most recent call last):
    ValueError: Sizes.count must be positive, got 0
    """
    metadata = {
        "range": Range(least, most, above, below),
        "choices": choices,
        "instead_of": instead_of,
    }
    return dataclasses.field(default=default, metadata=metadata)


class _Within(dict):
    """Changes within a field, and not instead of it."""


class Config:
    """What all configs share: checked construction, JSON, replacement by path.

    Each is a frozen dataclass.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __post_init__(self):
        self._check_types()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.metadata.get("choices"):
                one_of(self, field.name, field.metadata["choices"])
            if value not in (allowed := field.metadata.get("range", Range())):
                raise ValueError(
                    f"{type(self).__name__}.{field.name} must be {allowed}, got {value}"
                )

    def _check_types(self) -> None:
        for name, hint in field_types(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, list):
                value = tuple(value)
            if _accepts(hint, float) and type(value) is int:
                value = float(value)
            if not _accepts(hint, type(value)):
                wanted = getattr(hint, "__name__", str(hint))
                raise TypeError(
                    f"{type(self).__name__}.{name} must be {wanted}, "
                    f"got {value!r} ({type(value).__name__})"
                )
            object.__setattr__(self, name, value)

    def __hash__(self):
        """Of a config with lists or mappings in it, which says `__hash__ =
        Config.__hash__`: what Python makes hashes the fields."""
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON."""
        names = (field.name for field in dataclasses.fields(self))
        return {name: _plain(getattr(self, name)) for name in names}

    @classmethod
    def from_dict(cls, values: typing.Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; missing names keep their defaults.

        Raises:
            ValueError: a name is unknown.
            TypeError: a value has the wrong type.
        """
        hints, arguments = field_types(cls), {}
        for name, value in values.items():
            hint = choose(f"field of {cls.__name__}", name, hints)
            nested = isinstance(hint, type) and issubclass(hint, Config)
            is_values = isinstance(value, typing.Mapping)
            arguments[name] = hint.from_dict(value) if nested and is_values else value
        return cls(**arguments)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        choices = {field.name: field for field in dataclasses.fields(self)}
        for name in changes:
            choose(f"field of {type(self).__name__}", name, choices)
        return dataclasses.replace(self, **self._with_implied(changes))

    def _with_implied(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Changes, and None for what a changed field stands instead of."""
        implied: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            if field.name in changes:
                implied |= dict.fromkeys(field.metadata.get("instead_of", ()))
        return implied | changes

    def override(self, *assignments: str) -> Self:
        """A copy changed by `"path.to.field=value"`, the value read as JSON if it is.

        Several are made together: only what they end in must be valid.

        >>> from massivetext_keras.configs import ExperimentConfig
        >>> ExperimentConfig().override("optimizer.learning_rate=1e-3").optimizer
        OptimizerConfig(name='adamw', learning_rate=0.001, ...
        """
        changes: dict[str, Any] = {}
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise ValueError(f"{assignment!r} is not of the form field=value")
            try:
                value = json.loads(text)
            except json.JSONDecodeError:
                value = text
            *sections, name = path.strip().split(".")
            config: Config | dict = self
            place = changes
            for section in sections:
                if not isinstance(config, Config):
                    raise ValueError(f"{section!r} has no fields of its own")
                config = config._field(section)
                place = place.setdefault(section, _Within())
            if isinstance(config, Config):
                config._check_name(name)
            place[name] = value
        return self._changed(changes)

    def _field(self, name: str) -> Config | dict:
        """The value of a field that has fields of its own."""
        self._check_name(name)
        value = getattr(self, name)
        if not isinstance(value, Config | dict):
            raise ValueError(f"{name!r} has no fields of its own")
        return value

    def _check_name(self, name: str) -> None:
        choices = {field.name: field for field in dataclasses.fields(self)}
        choose(f"field of {type(self).__name__}", name, choices)

    def _changed(self, changes: dict[str, Any]) -> Self:
        values = {}
        for name, value in changes.items():
            inner = getattr(self, name)
            if isinstance(inner, Config) and isinstance(value, dict):
                value = inner._changed(value)
            elif isinstance(value, _Within):
                value = {**inner, **value}
            values[name] = value
        return dataclasses.replace(self, **self._with_implied(values))


def field_types(config: type[Config]) -> dict[str, Any]:
    """What each field of a config may be, by its annotation.

    >>> from massivetext_keras.configs import OptimizerConfig
    >>> field_types(OptimizerConfig)["warmup_steps"]
    <class 'int'>
    """
    hints = typing.get_type_hints(config)
    return {field.name: hints[field.name] for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    """A copy of a value with dicts in place of configs, in lists and dicts too."""
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return copy.deepcopy(value)


def _accepts(hint: Any, kind: type) -> bool:
    """Whether a value of type `kind` fits the annotation `hint`."""
    if hint is Any:
        return True
    options = typing.get_args(hint) if typing.get_origin(hint) else ()
    if typing.get_origin(hint) in (tuple, dict):
        return kind is typing.get_origin(hint)
    if options:
        return any(_accepts(option, kind) for option in options)
    return kind is hint or (
        isinstance(hint, type) and issubclass(hint, Config) and issubclass(kind, hint)
    )


def one_of(config: Config, field: str, choices: tuple[str, ...]) -> None:
    """Refuses a value of a field that is not among the choices.

    Raises:
        ValueError: names the nearest choice.
    """
    value = getattr(config, field)
    if value not in choices:
        raise ValueError(
            f"{type(config).__name__}.{field}={value!r}: {nearest(value, choices)}"
        )

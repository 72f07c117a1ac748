"""Callbacks of a run by their names: those that others wrote, from outside."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from massivetext_keras.support.registry import Registry
from massivetext_keras.support.values import UnknownName, choose


def _check_class(asked: str, cls: Any) -> None:
    """Refuses what is no class of callbacks."""
    if not (isinstance(cls, type) and issubclass(cls, keras.callbacks.Callback)):
        raise UnknownName(f"{asked!r} is no keras.callbacks.Callback")


CALLBACKS: Registry[type[keras.callbacks.Callback]] = Registry(
    "callback", None, "massivetext_keras.callbacks", kind="class", plain=_check_class
)
"""Callbacks that a run can name, those of other packages."""


def named_callbacks(
    entries: Sequence[str | Mapping[str, Any]],
) -> list[keras.callbacks.Callback]:
    """Callbacks for a run.

    Args:
        entries: `train.callbacks` of an experiment: names of entry points of the group
            `massivetext_keras.callbacks`, or "package.module:Class"; or objects with
            such a "name", and the arguments of the class.

    Raises:
        ValueError: as `check_callbacks`; or an argument has a value that the class does
            not take.

    >>> stop = {"name": "keras.callbacks:EarlyStopping", "patience": 3}
    >>> found = named_callbacks(["keras.callbacks:TerminateOnNaN", stop])
    >>> [type(callback).__name__ for callback in found], found[1].patience
    (['TerminateOnNaN', 'EarlyStopping'], 3)
    """
    made = []
    for place, cls, arguments in check_callbacks(entries):
        try:
            made.append(cls(**arguments))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{place}: {cls.__name__}: {error}") from error
    return made


def check_callbacks(
    entries: Sequence[str | Mapping[str, Any]],
) -> list[tuple[str, type[keras.callbacks.Callback], dict[str, Any]]]:
    """Where each callback of a run is named, its class and its arguments; none is made.

    Args:
        entries: see `named_callbacks`.

    Raises:
        UnknownName: a name or an argument is unknown or missing; says at which place,
            and names the nearest one.

    >>> check_callbacks([{"name": "keras.callbacks:EarlyStopping", "patiense": 3}])
    Traceback (most recent call last):
    massivetext_keras.support.values.UnknownName: train.callbacks[0]: unknown argument
    of EarlyStopping 'patiense': did you mean 'patience'?
    """
    found = []
    for index, entry in enumerate(entries):
        place = f"train.callbacks[{index}]"
        try:
            found.append((place, *_class_and_arguments(entry)))
        except UnknownName as error:
            raise UnknownName(f"{place}: {error}") from error
    return found


def _class_and_arguments(
    entry: str | Mapping[str, Any],
) -> tuple[type[keras.callbacks.Callback], dict[str, Any]]:
    """What an entry asks for.

    Raises:
        UnknownName: it is of no such form, or asks for what there is not.
    """
    values = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(values, Mapping):
        raise UnknownName(f"{entry!r} is neither a name nor an object with one")
    if not isinstance(values.get("name"), str):
        raise UnknownName(f'"name" is missing, or no text, in {entry!r}')
    cls = choose("callback", values["name"], CALLBACKS)
    given = {name: value for name, value in values.items() if name != "name"}
    parameters = inspect.signature(cls).parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = {one.name: one for one in parameters if one.kind in by_name}
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        for name in given:
            if not taken:
                raise UnknownName(f"{cls.__name__} takes no arguments, got {name!r}")
            choose(f"argument of {cls.__name__}", name, taken)
    for name, one in taken.items():
        if one.default is one.empty and name not in given:
            raise UnknownName(f"{cls.__name__} needs an argument {name!r}")
    return cls, given

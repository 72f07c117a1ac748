"""Callbacks of a run by their names: those that others wrote, from outside."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from massivetext_keras.support.registry import Registry
from massivetext_keras.support.values import choose

CALLBACKS: Registry[type[keras.callbacks.Callback]] = Registry(
    "callback",
    "massivetext_keras.training.callbacks",
    "massivetext_keras.callbacks",
    plain=lambda name, cls: cls,
)


def named_callbacks(names: Sequence[str]) -> list[keras.callbacks.Callback]:
    """Callbacks for a run, made without arguments.

    Args:
        names: of entry points of the group `massivetext_keras.callbacks`, or
            "package.module:Class".

    Raises:
        ValueError: a name is unknown, or it is no callback of Keras.

    >>> named_callbacks(["keras.callbacks:TerminateOnNaN"])
    [<keras...TerminateOnNaN object at ...>]
    """
    made = []
    for name in names:
        callback = choose("callback", name, CALLBACKS)()
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                f"train.callbacks: {name!r} is no keras.callbacks.Callback"
            )
        made.append(callback)
    return made

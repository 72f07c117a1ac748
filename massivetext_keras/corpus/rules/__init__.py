"""The steps of recipes: a rule is one function in one file, found by its name.

    @rule
    def short_lines(batch: Batch, *, max_share: Share | None = 0.5) -> list[Check]: ...

Those of this folder are known by themselves; those of an installed package by an entry
point of the group `massivetext_keras.rules`; any other as "package.module:function".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from massivetext_keras.support.registry import Registry, check_keywords

Function = TypeVar("Function", bound=Callable)


RULES: Registry[Callable] = Registry(
    "rule",
    __name__,
    "massivetext_keras.rules",
    plain=lambda asked, function: _registered(function, None),
)


@overload
def rule(function: Function) -> Function: ...


@overload
def rule(*, name: str) -> Callable[[Function], Function]: ...


def rule(function=None, *, name=None):
    """Registers a function as a step that recipes and `--set` know by its name.

    It takes a `Batch` and keyword-only arguments whose annotations say what they may
    be (`support.arguments`), may change the texts of the batch, and returns its checks
    in the order in which they decide. Workers import its module.

    Args:
        function: of the step.
        name: of the step, if it is not that of the function.

    Raises:
        TypeError: its arguments could not be given by name, or have no types.
        ValueError: another rule has the name.
    """
    if function is None:
        return lambda function: _registered(function, name)
    return _registered(function, name)


def _registered(function: Function, name: str | None) -> Function:
    check_keywords(function, "batch")
    RULES.add(function, name or function.__name__, function)
    return function

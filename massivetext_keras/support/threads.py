"""Graphs are made and traced by one thread at a time, and made once."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

# Held while a graph is made, and while a model is traced in another precision.
TRACING = threading.RLock()
_MADE = "_made_once"


def made_once(method: Callable) -> Callable:
    """A method whose answer is made once for the same arguments, whatever number of
    threads ask for it: the others wait.

    Args:
        method: of an object that can have attributes, with arguments that can be keys.

    >>> class Model:
    ...     @made_once
    ...     def graph(self, size):
    ...         return [size]
    >>> model = Model()
    >>> model.graph(3) is model.graph(3)
    True
    """

    @functools.wraps(method)
    def get(self, *arguments, **named):
        key = method.__name__, *arguments, *sorted(named.items())
        made = vars(self).setdefault(_MADE, {})  # Keras tracks what is set otherwise
        if key not in made:
            with TRACING:
                if key not in made:
                    made[key] = method(self, *arguments, **named)
        return made[key]

    return get


def forget_what_was_made(owner: Any) -> None:
    """Lets all that `made_once` made for an object be made anew."""
    vars(owner).pop(_MADE, None)

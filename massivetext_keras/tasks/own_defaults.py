"""What a task does where a caller says nothing: its own arguments of `generate`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from massivetext_keras.generation import BeamRules, Sampling, StopStrings
from massivetext_keras.support.values import choose

# The least that the other numbers may be.
_LEAST = {"max_new_tokens": 0, "num_beams": 1, "no_repeat_ngram_size": 0}


def own_defaults(*skipped: str) -> Callable:
    """Makes a verb take arguments that are not given, or are None, from
    `task.generation`.

    Beams take no temperature, so that one that is given turns off the task's own beams,
    and beams its temperature. Of `max_new_tokens` so many are taken as the model's
    context has room for.

    Args:
        *skipped: arguments that the verb decides itself.

    >>> class Task:
    ...     generation = {"top_k": 5, "num_beams": 4}
    ...
    ...     @own_defaults()
    ...     def generate(self, text, top_k=0, temperature=1.0):
    ...         return text, top_k, temperature
    >>> Task().generate("a"), Task().generate("a", top_k=0)
    (('a', 5, 1.0), ('a', 0, 1.0))
    """

    def decorate(verb: Callable) -> Callable:
        shape = inspect.signature(verb)

        @functools.wraps(verb)
        def call(self, *args, **kwargs):
            bound = shape.bind(self, *args, **kwargs)
            given = {k: v for k, v in bound.arguments.items() if v is not None}
            own = {k: v for k, v in self.generation.items() if k not in given}
            if given.get("temperature"):
                own.pop("num_beams", None)
            if given.get("num_beams", 1) > 1:
                own.pop("temperature", None)
            if "max_new_tokens" in own:
                room = self.config.max_length - 1
                own["max_new_tokens"] = min(own["max_new_tokens"], room)
            for name in shape.parameters.keys() & own.keys() - {*skipped}:
                bound.arguments[name] = own[name]
            return verb(*bound.args, **bound.kwargs)

        return call

    return decorate


def made_of(own: Mapping[str, Any], make: Callable, **changes: Any) -> Any:
    """What `make` gives of those of a task's own arguments that it has.

    Args:
        own: see `checked`; None is as nothing.
        make: such as `Sampling.make`.
        **changes: arguments of `make` that are others.

    >>> int(made_of({"top_k": 5, "num_beams": 4}, Sampling.make, seed=3).top_k)
    5
    """
    names = inspect.signature(make).parameters
    chosen = {k: v for k, v in own.items() if k in names and v is not None}
    return make(**{**chosen, **changes})


def checked(generate: Callable, generation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Own arguments of a task's `generate`, a bound method, as they can be kept.

    Raises:
        ValueError: one is none of its arguments, or out of its range.
    """
    own = dict(generation or {})
    known = dict.fromkeys([*inspect.signature(generate).parameters][1:])
    for name in own:
        choose("generation", name, known)
    given = {name: value for name, value in own.items() if value is not None}
    try:
        for make in (Sampling.make, BeamRules.make):
            made_of(own, make)
        StopStrings.make(given.get("stop", ()))
        for name, least in _LEAST.items():
            if not given.get(name, least) >= least:
                raise ValueError(f"{name} must be at least {least}, got {own[name]}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"generation: {error}") from None
    return own

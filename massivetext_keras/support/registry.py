"""Functions, classes and values by name: this package's own, and others' from outside.

A name is that of what was registered, of an entry point of an installed package, or a
place, "package.module:name", which is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from massivetext_keras.support.values import UnknownName, closest

T = TypeVar("T")
_PLACE = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")


class Registry(Mapping[str, T], Generic[T]):
    """A table of what was registered, which looks outside for names it does not know.

    Args:
        what: the things are, for people.
        package: whose modules register their things when they are imported (None: all
            that is inside is registered where the table is).
        group: of entry points, as `[project.entry-points."GROUP"]` declares them.
        kind: "function", "class" or "value", for messages.
        plain: takes a name and what is found there, which nobody registered: refuses
            it, registers it, or leaves it as it is (None: it must be registered).

    >>> greetings = Registry("greeting", None, "no.such.group")
    >>> def hello(): ...
    >>> greetings.add(hello, "hello", hello)
    >>> list(greetings), "goodbye" in greetings
    (['hello'], False)
    """

    def __init__(
        self,
        what: str,
        package: str | None,
        group: str,
        kind: str = "function",
        plain: Callable[[str, Any], Any] | None = None,
    ):
        self.what, self.package, self.group = what, package, group
        self.kind, self._plain = kind, plain
        self._entries: dict[str, T] = {}
        self._things: dict[str, Any] = {}
        self._points: dict[str, EntryPoint] = {}
        self._path: list[str] = []
        self._is_loaded = False

    def add(self, thing: Any, name: str, entry: T) -> None:
        """Registers a function, class or value.

        Args:
            thing: as it is found where it is defined.
            name: of it.
            entry: what the table has of it.

        Raises:
            ValueError: another one has the name.
        """
        there = self._things.get(name)
        if there is not None and _place(there) != _place(thing):
            raise ValueError(
                f"two {self.what}s are named {name!r}: {_place(there)} and "
                f"{_place(thing)}"
            )
        self._entries[name], self._things[name] = entry, thing

    def known(self) -> list[T]:
        """What was registered in this process."""
        return list(self._entries.values())

    def name_of(self, name: str) -> str:
        """The name in the table of what is asked for by any name; what is not
        registered has no other than that.

        Raises:
            KeyError: there is none.
        """
        return self._found(name)[0]

    def is_outside(self, name: str) -> bool:
        """Whether a function or class is of no module of this package."""
        module = self._found(name)[1].__module__
        return not module.startswith(f"{self.package}.")

    def modules(self, names: Iterable[str]) -> list[str]:
        """Modules that another process must import to know some functions or classes.

        Raises:
            ValueError: one is defined in a script, which no other process can import.
        """
        outside = {
            name: self._found(name)[1].__module__
            for name in names
            if self.is_outside(name)
        }
        for name, module in outside.items():
            if module == "__main__":
                raise ValueError(
                    f"the {self.what} {name!r} is defined in a script, which workers "
                    "cannot import: move it to a module of its own"
                )
        return sorted(set(outside.values()))

    def __getitem__(self, name: str) -> T:
        name, thing = self._found(name)
        return self._entries.get(name, thing)

    def __contains__(self, name: object) -> bool:
        try:
            self._found(str(name))
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(dict.fromkeys([*self._entries, *self._declared]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _load(self) -> None:
        """Imports the package's own modules, once."""
        if self.package is not None and not self._is_loaded:
            self._is_loaded = True
            folder = importlib.import_module(self.package).__path__
            for module in pkgutil.iter_modules(folder):
                importlib.import_module(f"{self.package}.{module.name}")

    @property
    def _declared(self) -> dict[str, EntryPoint]:
        """Name -> entry point, looked for anew where the path has changed."""
        if self._path != sys.path:
            self._points = {one.name: one for one in entry_points(group=self.group)}
            self._path = list(sys.path)
        return self._points

    def _found(self, asked: str) -> tuple[str, Any]:
        """A thing by any name, after the name that the table has for it.

        Raises:
            KeyError: there is none.
            UnknownName: there is nothing at the place that the name is, or is of.
            ValueError: nobody registered it, and it must be.
        """
        self._load()
        if asked in self._things:
            return asked, self._things[asked]
        if _PLACE.fullmatch(asked):
            place = asked
        elif point := self._declared.get(asked):
            place = point.value
        else:
            raise KeyError(asked)
        thing = self._imported(asked, place)
        if self._registered(thing) is None:
            if self._plain is None:
                raise ValueError(
                    f"{asked!r} is not registered: decorate it with @{self.what}"
                )
            self._plain(asked, thing)
        return self._registered(thing) or asked, thing

    def _registered(self, thing: Any) -> str | None:
        """The name under which a thing is in the table, if it is."""
        found = (name for name, known in self._things.items() if known is thing)
        return next(found, None)

    def _imported(self, asked: str, place: str) -> Any:
        """What is at a place, whose module is imported.

        Raises:
            UnknownName: there is no such module, or nothing of the name in it.
        """
        module, _, path = place.partition(":")
        try:
            thing = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise UnknownName(f"{self.what} {asked!r}: {error}") from error
        for name in path.split("."):
            if not hasattr(thing, name):
                near = closest(name, dir(thing))
                hint = f"; did you mean {near!r}?" if near else ""
                raise UnknownName(
                    f"{self.what} {asked!r}: {module} has no such {self.kind}{hint}"
                )
            thing = getattr(thing, name)
        return thing


def check_keywords(function: Callable, first: str) -> None:
    """Refuses a function whose arguments nobody could give by name, checked.

    Raises:
        TypeError: it does not take one thing and then keyword-only arguments with
            annotations; says which is wrong.

    >>> def rule(batch, most=3): ...
    >>> check_keywords(rule, "batch")
    Traceback (most recent call last):
    TypeError: rule: its arguments are (batch, *, name: type = default, ...), and most
    has no * before it
    """
    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    where = function.__qualname__
    form = f"{where}: its arguments are ({first}, *, name: type = default, ...)"
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(f"{form}, and it takes no {first}")
    for one in parameters[1:]:
        if one.kind is not one.KEYWORD_ONLY:
            raise TypeError(f"{form}, and {one.name} has no * before it")
        if one.annotation is one.empty:
            raise TypeError(f"{form}, and {one.name} has no type")


def _place(thing: Any) -> str:
    """Where a function or class is defined; of a value, what it is."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{thing.__module__}:{name}"

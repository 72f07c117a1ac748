"""Functions by name: this package's own, and others' from outside of it.

A name is that of a decorated function, of an entry point of an installed package, or
"package.module:function", which is imported when it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from massivetext_keras.support.values import UnknownName

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A table of what was registered, which looks outside for names it does not know.

    Args:
        what: the things are, for people.
        package: whose modules register their functions when they are imported.
        group: of entry points, as `[project.entry-points."GROUP"]` declares them.
        plain: makes an entry of a function that nobody registered (None: it is an
            error that it is not).

    >>> greetings = Registry("greeting", "massivetext_keras.pages", "no.such.group")
    >>> def hello(): ...
    >>> greetings.add(hello, "hello", hello)
    >>> list(greetings), "goodbye" in greetings
    (['hello'], False)
    """

    def __init__(
        self,
        what: str,
        package: str,
        group: str,
        plain: Callable[[str, Callable], T] | None = None,
    ):
        self.what, self.package, self.group = what, package, group
        self._plain = plain
        self._entries: dict[str, T] = {}
        self._functions: dict[str, Callable] = {}
        self._points: dict[str, EntryPoint] = {}
        self._path: list[str] = []
        self._is_loaded = False

    def add(self, function: Callable, name: str, entry: T) -> None:
        """Registers a function.

        Raises:
            ValueError: another function has the name.
        """
        there = self._functions.get(name)
        if there is not None and _place(there) != _place(function):
            raise ValueError(
                f"two {self.what}s are named {name!r}: {_place(there)} and "
                f"{_place(function)}"
            )
        self._entries[name], self._functions[name] = entry, function

    def known(self) -> list[T]:
        """What was registered in this process."""
        return list(self._entries.values())

    def name_of(self, name: str) -> str:
        """The short name of what is asked for by any name.

        Raises:
            KeyError: there is none.
        """
        self._load()
        if name in self._entries:
            return name
        if ":" in name:
            return self._imported(name, *name.split(":", 1))
        if point := self._declared.get(name):
            return self._imported(name, point.module, point.attr)
        raise KeyError(name)

    def function(self, name: str) -> Callable:
        """The function that was registered.

        Raises:
            KeyError: there is none.
        """
        return self._functions[self.name_of(name)]

    def is_outside(self, name: str) -> bool:
        """Whether a function is of no module of this package."""
        inside = self.function(name).__module__.startswith(f"{self.package}.")
        return not inside

    def modules(self, names: Iterable[str]) -> list[str]:
        """Modules that another process must import to know some names.

        Raises:
            ValueError: one is defined in a script, which no other process can import.
        """
        outside = [name for name in names if self.is_outside(name)]
        for name in outside:
            if self.function(name).__module__ == "__main__":
                raise ValueError(
                    f"the {self.what} {name!r} is defined in a script, which workers "
                    "cannot import: move it to a module of its own"
                )
        return sorted({self.function(name).__module__ for name in outside})

    def __getitem__(self, name: str) -> T:
        return self._entries[self.name_of(name)]

    def __contains__(self, name: object) -> bool:
        try:
            self.name_of(str(name))
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
        if not self._is_loaded:
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

    def _imported(self, asked: str, module: str, attribute: str) -> str:
        """The name of a function of a module, which is imported.

        Raises:
            UnknownName: there is no such module or function.
            ValueError: nobody registered it, and it must be.
        """
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise UnknownName(f"{self.what} {asked!r}: {error}") from error
        function = getattr(found, attribute, None)
        if not callable(function):
            near = difflib.get_close_matches(attribute, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownName(
                f"{self.what} {asked!r}: {module} has no such function{hint}"
            )
        for name, known in self._functions.items():
            if known is function:
                return name
        if self._plain is None:
            raise ValueError(
                f"{asked!r} is not registered: decorate it with @{self.what}"
            )
        self.add(function, attribute, self._plain(attribute, function))
        return attribute


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


def _place(function: Callable) -> str:
    return f"{function.__module__}:{function.__qualname__}"

"""What is done around the import of a module, whoever imports it, and when."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import LazyLoader
from types import ModuleType

Execute = Callable[[ModuleType], None]


def around_import(
    names: tuple[str, ...], around: Callable[[Execute, ModuleType], None]
):
    """Has modules that are not imported yet executed by a function, once they are.

    Args:
        names: of the modules.
        around: is given what executes a module, and the module; asked for twice, it
            is called once all the same.
    """
    finder = _Around(names, around)
    there = (vars(x) for x in sys.meta_path if isinstance(x, _Around))
    if vars(finder) not in there:
        sys.meta_path.insert(0, finder)


def without_collection(execute: Execute, module: ModuleType) -> None:
    """Executes a module with no search for cycles of garbage, of which an import makes
    none, and which looks at all its objects again and again."""
    before = gc.isenabled()
    gc.disable()
    try:
        execute(module)
    finally:
        if before:
            gc.enable()


def function_at(place: str, what: str) -> Callable:
    """The function that "package.module:function" names.

    Args:
        place: of it.
        what: it is, for the message.

    Raises:
        ImportError: there is no such module.
        ValueError: there is no such function.

    >>> function_at("json:dumps", "a writer")([1])
    '[1]'
    >>> function_at("json:dump_it", "a writer")
    Traceback (most recent call last):
    ValueError: a writer: json has no function 'dump_it'
    """
    module, _, name = place.partition(":")
    found = getattr(importlib.import_module(module), name, None) if name else None
    if not callable(found):
        raise ValueError(f"{what}: {module} has no function {name!r}")
    return found


def import_lazily(names: tuple[str, ...]) -> None:
    """Has modules executed when something of them is asked for, and not before.

    Args:
        names: of the modules; those that are imported already stay as they are.
    """
    sys.meta_path.insert(0, _Lazily(names))


class _Finder(MetaPathFinder):
    """Finds some modules as those do that are asked after it, with another loader."""

    def __init__(self, names):
        self.names = names

    def change(self, spec: ModuleSpec) -> None:
        """Changes how the module will be executed."""
        raise NotImplementedError

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name not in self.names:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                self.change(spec)
                return spec
        return None


class _Around(_Finder):
    """Has modules executed by a function."""

    def __init__(self, names, around):
        super().__init__(names)
        self.around = around

    def change(self, spec):
        execute = spec.loader.exec_module
        spec.loader.exec_module = functools.partial(self.around, execute)


class _Lazily(_Finder):
    """Has modules executed when they are used."""

    def change(self, spec):
        spec.loader = LazyLoader(spec.loader)

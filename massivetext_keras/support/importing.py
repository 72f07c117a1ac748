"""What is done around the import of a module, whoever imports it, and when."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
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


class _Around(MetaPathFinder):
    """Finds modules as those do that are asked after it."""

    def __init__(self, names, around):
        self.names, self.around = names, around

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name not in self.names:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                execute = spec.loader.exec_module
                spec.loader.exec_module = functools.partial(self.around, execute)
                return spec
        return None

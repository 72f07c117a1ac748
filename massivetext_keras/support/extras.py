"""Packages that only some parts need, imported where they are used."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType


@functools.cache
def need(name: str, extra: str = "corpus") -> ModuleType:
    """The module of a package that an extra of `setup.cfg` installs.

    Args:
        name: of the module, with dots.
        extra: that names its package.

    Raises:
        ImportError: it is not installed; says what to install.

    >>> need("numpy").float32(1).item()
    1.0
    >>> need("no_such", "evaluation")
    Traceback (most recent call last):
    ImportError: no_such is not installed: pip install 'massivetext-keras[evaluation]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed: pip install 'massivetext-keras[{extra}]'"
        ) from error

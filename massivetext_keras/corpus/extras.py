"""Packages that only the pipeline needs, imported where they are used."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType


@functools.cache
def need(name: str) -> ModuleType:
    """The module of a package of the extra `corpus`.

    Raises:
        ImportError: it is not installed; says what to install.

    >>> need("orjson").loads("[1]")
    [1]
    >>> need("no_such")
    Traceback (most recent call last):
    ImportError: no_such is not installed: pip install 'massivetext-keras[corpus]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed: pip install 'massivetext-keras[corpus]'"
        ) from error

"""Exports: what a trained task is written as, for each program that runs models.

    @export_format("onnx")
    def onnx(task, *, path: str, overwrite: bool = False) -> None: ...

A format is one function in one file of this folder, known by itself; those of an
installed package by an entry point of the group `massivetext_keras.exports`; any other
as "package.module:function". Its keyword arguments beside `path` and `overwrite` are
what only it can be asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from massivetext_keras.support.registry import Registry, check_keywords
from massivetext_keras.support.values import choose

Function = TypeVar("Function", bound=Callable)
_ALWAYS = ("path", "overwrite")


class ExportFormat(NamedTuple):
    """A form that a task can be written in.

    Attributes:
        name: of it.
        write: `(task, *, path, overwrite, **options)`; a task that the form cannot hold
            is a ValueError that names what it lacks and what can hold it.
        options: what else `write` takes.
    """

    name: str
    write: Callable[..., None]
    options: tuple[str, ...]


EXPORTS: Registry[ExportFormat] = Registry(
    "export_format", __name__, "massivetext_keras.exports"
)


def export_format(name: str) -> Callable[[Function], Function]:
    """Registers a function as what writes a form of export.

    Raises:
        TypeError: its arguments are not `(task, *, path: …, overwrite: …, …)`.
        ValueError: another function has the name.
    """

    def register(function: Function) -> Function:
        check_keywords(function, "task")
        given = inspect.signature(function).parameters
        options = tuple(x for x in list(given)[1:] if x not in _ALWAYS)
        EXPORTS.add(function, name, ExportFormat(name, function, options))
        return function

    return register


def write_export(
    task: Any, format: str, path: str | Path, overwrite: bool, **options: Any
) -> None:
    """Writes a task for another program.

    Args:
        task: whose adapters are merged, on one device.
        format: a name in `EXPORTS`.
        path: of the folder, or for "gguf" the file.
        overwrite: replace what is there.
        **options: of the format.

    Raises:
        ValueError: the format is unknown, has no such option, or cannot hold the task.

    >>> write_export(None, "onnx", "there", False, streaming=True)
    Traceback (most recent call last):
    ValueError: streaming is no option of the format 'onnx', but of 'savedmodel'
    """
    found = choose("format", format, EXPORTS)
    for name in options:
        if name not in found.options:
            able = [repr(x.name) for x in EXPORTS.values() if name in x.options]
            raise ValueError(
                f"{name} is no option of the format {format!r}, but of "
                + (" and ".join(able) or "none")
            )
    found.write(task, path=path, overwrite=overwrite, **options)

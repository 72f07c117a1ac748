"""Modules that are installed for a test, as packages of other people are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def installed(
    folder: Path, name: str, source: str, points: Mapping[str, str]
) -> Iterator[str]:
    """The name of a module on the path, with entry points: "group:name" -> function."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{name}.py").write_text(source)
    (about / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    declared = ""
    for point, function in points.items():
        group, _, short = point.partition(":")
        declared += f"[{group}]\n{short} = {name}:{function}\n"
    (about / "entry_points.txt").write_text(declared)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield name

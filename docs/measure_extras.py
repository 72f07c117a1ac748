"""Prints docs/install.md's table of what each extra adds on the disk, in megabytes.

    .venv/bin/python docs/measure_extras.py

Sizes are those of the files that the environment's packages say they installed, without
compiled ones; what the package itself needs is not counted again with an extra.
"""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "massivetext-keras"


def needed(name: str, extra: str = "") -> set[str]:
    """The installed packages that one needs, those that these need among them."""
    found, left = set(), [(canonicalize_name(name), extra)]
    seen = set(left)
    while left:
        name, extra = left.pop()
        try:
            lines = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        if name != NAME:
            found.add(name)
        for each in map(Requirement, lines):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                for one in {"", *each.extras}:
                    pair = canonicalize_name(each.name), one
                    if pair not in seen:
                        seen.add(pair)
                        left.append(pair)
    return found


def megabytes(names: set[str]) -> float:
    """What packages take on the disk."""
    return sum(_bytes(name) for name in names) / 1e6


def _bytes(name: str) -> int:
    files = metadata.files(name) or ()
    return sum(file.size or 0 for file in files if not file.name.endswith(".pyc"))


def main() -> None:
    base = needed(NAME)
    print(
        f"| | adds | packages |\n|---|---|---|\n| nothing | {megabytes(base):,.0f} MB |"
    )
    for extra in metadata.metadata(NAME).get_all("Provides-Extra"):
        more = needed(NAME, extra) - base
        if more:
            most = sorted(more, key=_bytes, reverse=True)[:4]
            print(f"| `{extra}` | {megabytes(more):,.0f} MB | {', '.join(most)} |")


if __name__ == "__main__":
    main()

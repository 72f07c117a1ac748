"""Which packages something was made with."""

from __future__ import annotations

from importlib import metadata

from massivetext_keras import __version__


def versions(*distributions: str) -> dict[str, str]:
    """This library's version and those of distributions that are installed.

    >>> list(versions("numpy", "no-such-package"))
    ['massivetext_keras', 'numpy']
    """
    found = {"massivetext_keras": __version__}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

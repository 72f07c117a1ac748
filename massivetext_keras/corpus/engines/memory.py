"""How much memory there is to use, and who uses it."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_UNITS = {"": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS[f"{_letter}B"] = _UNITS[_letter] = 1000**_power
    _UNITS[f"{_letter}IB"] = 1024**_power


def parse_size(size: int | str) -> int:
    """Bytes, from a number of them or from text with a unit.

    Raises:
        ValueError: neither.

    >>> parse_size("1.5GB"), parse_size("64 MiB"), parse_size(100)
    (1500000000, 67108864, 100)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(size))
    unit = found and found[2].upper().removesuffix("B" if found[2] == "B" else "")
    if not found or unit not in _UNITS:
        raise ValueError(f"{size!r} is no size: give bytes, or such as 800MB or 1.5GB")
    return int(float(found[1]) * _UNITS[unit])


def own_bytes(process: int | str = "self") -> int:
    """What a process holds of its own: not files, which processes share.

    0 where the system does not tell, and for a process that has ended.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def proportional_bytes(process: int | str = "self") -> int:
    """What a process adds to the memory in use: pages that n share count 1/n (PSS)."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return own_bytes(process)
    found = re.search(r"^Pss:\s*(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@contextlib.contextmanager
def returning_memory() -> Iterator[None]:
    """Has the C library give back at once what is freed, where it is glibc.

    A sort that may use 140 MB then holds 135 MB and not 180, in the same time. Not for
    ever: arrays that come and go would be slower.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, 256 << 10)
    library.mallopt(_M_TRIM_THRESHOLD, 1 << 20)
    try:
        yield
    finally:  # what they grow to by themselves
        library.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        library.mallopt(_M_TRIM_THRESHOLD, 64 << 20)

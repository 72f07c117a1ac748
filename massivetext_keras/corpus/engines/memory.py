"""How much memory there is to use, and who uses it."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


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

"""How much memory there is to use, and who uses it."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

import psutil

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def own_bytes(process: int | None = None) -> int:
    """What a process holds of its own: not files, which processes share.

    Args:
        process: its number; None for this one. 0 bytes if it has ended.
    """
    try:
        held = psutil.Process(process).memory_info()
    except psutil.Error:
        return 0
    return held.rss - getattr(held, "shared", 0)


def proportional_bytes(process: int | None = None) -> int:
    """What a process adds to the memory in use: pages that n share count 1/n (PSS)."""
    try:
        held = psutil.Process(process).memory_full_info()
    except psutil.Error:
        return own_bytes(process)
    return getattr(held, "pss", held.uss)


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

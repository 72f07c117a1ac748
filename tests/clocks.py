"""What work costs beside other work of the same process, on any machine."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

_TIMES = 3


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work, the best of three."""
    best = float("inf")
    for _ in range(_TIMES):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def times_as_long_as_words(work: Callable[[], object], texts: Sequence[str]) -> float:
    """How many times as long some work takes as to find the words of texts."""
    return seconds(work) / seconds(lambda: [re.findall(r"\w+", x) for x in texts])

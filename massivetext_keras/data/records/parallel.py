"""Parallel texts: two files, line by line what belongs together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import BinaryIO

from massivetext_keras.data.records.common import MOST_BYTES, Options, Record
from massivetext_keras.reading.streams import lines

UNPAIRED = "the other file has no such line"


def read_parallel(
    first: BinaryIO, second: BinaryIO, options: Options
) -> Iterator[Record]:
    """Reads pairs of lines; those that have one side only are counted.

    Args:
        first, second: the two files.
        options: its fields are the names of the two sides.
    """
    names = (*options.fields, "source", "target")[:2]
    sides = lines(first, MOST_BYTES), lines(second, MOST_BYTES)
    for number, pair in enumerate(itertools.zip_longest(*sides), 1):
        if None in pair:
            options.bad(number, UNPAIRED)
            continue
        whole = [line for _, line in pair if line is not None]
        if len(whole) < len(pair):
            options.bad(number, f"more than {MOST_BYTES:,} bytes")
            continue
        texts = [options.decoded(number, line).strip() for line in whole]
        if any(texts) and not all(texts):
            options.bad(number, "one side is empty")
        elif all(texts):
            yield options.record(number, dict(zip(names, texts, strict=True)))

"""The axes of a mesh of devices, and what replicas may split: the words for them."""

from __future__ import annotations

import re

from massivetext_keras.support.values import choose

AXES = ("data", "tensor", "pipeline")
SHARD_STATES = ("none", "optimizer", "weights")


def axes_in(text: str) -> dict[str, int]:
    """The devices along some axes, of text as flags and settings have it.

    Args:
        text: AXIS=DEVICES by commas; a colon does, too.

    Raises:
        ValueError: an axis is unknown or given twice, or has no number of devices.

    >>> axes_in("data=2,tensor=4"), axes_in("pipeline:8")
    ({'data': 2, 'tensor': 4}, {'pipeline': 8})
    """
    found: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        axis, *sizes = re.split("[=:]", item, maxsplit=1)
        choose("axis of a mesh", axis, dict.fromkeys(AXES))
        size = sizes[0].strip() if sizes else ""
        if axis in found or not size.isdecimal() or int(size) < 1:
            raise ValueError(
                f"{item!r} is no number of devices along an axis: write {axis}=2, each "
                "axis once"
            )
        found[axis] = int(size)
    return found

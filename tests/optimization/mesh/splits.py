"""Meshes in a word, such as "2x2x1:optimizer" or "1x2x1:none:sequence"."""

from __future__ import annotations

from typing import Any

from massivetext_keras.architecture.axes import AXES


def parsed(split: str) -> tuple[dict[str, int], dict[str, Any]]:
    """The sizes of its axes, and what `compile` is given."""
    sizes, *options = split.split(":")
    axes = dict(zip(AXES, map(int, sizes.split("x")), strict=True))
    state = next(iter(options), "none")
    return axes, {"shard_state": state, "shard_sequence": "sequence" in options}

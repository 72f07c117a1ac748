"""Tinyshakespeare by characters: one text, and one measure for every library."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import data_folder

WARMUP, LEAST = 100, 0.1  # updates, and share of the peak in the end


def path() -> Path:
    """The text, in the folder that MASSIVETEXT_DATA names."""
    return data_folder() / "lm/tinyshakespeare.txt"


def characters() -> tuple[np.ndarray, np.ndarray]:
    """Ids of the 65 characters, int32: the first nine tenths, and the last."""
    text = np.frombuffer(path().read_bytes(), np.uint8)
    ids = np.unique(text, return_inverse=True)[1].astype("int32")
    return ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]


def windows(ids: np.ndarray, length: int) -> np.ndarray:
    """[windows, length + 1], one after another, each with the next one's first id."""
    count = (len(ids) - 1) // length
    starts = length * np.arange(count)[:, None]
    return ids[starts + np.arange(length + 1)]


def random_windows(
    ids: np.ndarray, batches: int, rows: int, length: int, seed: int = 0
) -> np.ndarray:
    """[batches, rows, length + 1], as nanoGPT draws them."""
    starts = np.random.default_rng(seed).integers(
        0, len(ids) - length, (batches, rows, 1)
    )
    return ids[starts + np.arange(length + 1)]


def learning_rate(update: int, updates: int, peak: float) -> float:
    """nanoGPT's: linear growth, then half a wave down to a tenth of the peak.

    >>> [learning_rate(n, 300, 1.0) for n in (50, 100, 200, 300)]
    [0.5, 1.0, 0.55, 0.1]
    """
    if update < WARMUP:
        return peak * update / WARMUP
    wave = math.cos(math.pi * (update - WARMUP) / (updates - WARMUP))
    return peak * (LEAST + (1 - LEAST) * (1 + wave) / 2)


def nats(logits: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> float:
    """Mean loss of a character.

    Args:
        logits: of ids [rows, length], [rows, length, vocabulary], float32.
        rows: as `windows` gives them.
    """
    total = 0.0
    for part in np.array_split(rows, math.ceil(len(rows) / 128)):
        found = logits(part[:, :-1]).astype("float64")
        found -= found.max(axis=-1, keepdims=True)
        chosen = np.take_along_axis(found, part[:, 1:, None], -1)[..., 0]
        total += (np.log(np.exp(found).sum(-1)) - chosen).sum()
    return float(total / rows[:, 1:].size)

"""How a training step's speed grows with length, batch, vocabulary and layers.

The model of train_step.py with 8 rows of 256 tokens, one of the four changed at a time;
beside KerasHub in the setting that was its best in train_step.py, which is run before.
Prints what share of a product of matrices that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from common import (
    PLAINEST,
    compete,
    keras_hub,
    our_precision,
    print_ratios,
    product,
)
from gpt import SMALL, Shape
from results import kept, peers
from train_step import fit_keras_hub, fit_ours

ROWS, STEPS = 8, 16


def sizes() -> Iterator[tuple[str, Shape, int]]:
    """What is measured: its name, shape and rows."""
    for length in (64, 256, 1024):
        yield f"length {length}", SMALL._replace(context=length), ROWS
    for rows in (2, 8, 32):
        yield f"batch {rows}", SMALL, rows
    for vocabulary in (1024, 8192, 32768):
        yield f"vocabulary {vocabulary}", SMALL._replace(vocabulary=vocabulary), ROWS
    for layers in (2, 4, 8):
        yield f"layers {layers}", SMALL._replace(layers=layers), ROWS


def measure(fit: Callable) -> dict[str, float]:
    """`fit(shape, rows, steps)` of each size; equal ones once."""
    found, results = {}, {}
    for name, shape, rows in sizes():
        if (shape, rows) not in found:
            found[shape, rows] = fit(shape, rows, STEPS)
        for unit in ("tokens/s", "GFLOP/s"):
            results[f"{name}, {unit}"] = found[shape, rows][unit]
    return results


def contestants() -> dict:
    """Ours, and the setting that was KerasHub's best in train_step.py."""
    best = peers(kept("train_step", PLAINEST), "tokens/s")["keras_hub"].setting
    settings = keras_hub(
        lambda precision, jit: measure(
            lambda *size: fit_keras_hub(precision, jit, *size)
        )
    )
    return {
        "product": product,
        "ours": lambda: measure(lambda *size: fit_ours(our_precision(), *size)),
        f"keras_hub, {best}": settings[f"keras_hub, {best}"],
    }


if __name__ == "__main__":
    best = compete(__file__, contestants(), rounds=1)
    peak = max(best["product"].values())
    for measurement, value in best["ours"].items():
        if measurement.endswith("GFLOP/s"):
            print(f"{measurement}: {value:,.0f}, {value / peak:.1%} of the peak")
        else:
            print_ratios(best, "ours", measurement)

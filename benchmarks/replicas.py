"""What two virtual CPUs cost, beside one device: mirrored replicas, and axes of a mesh.

The same global batch as in train_step.py, in one process, by turns: all do the same
work on the same cores. A pipeline of two stages has four micro-batches, and makes the
activations of the first stage twice.
"""

from __future__ import annotations

import time

import numpy as np
from common import keep
from gpt import SMALL, our_lm

ROWS, STEPS, ROUNDS = 16, 8, 4
MICRO_BATCHES = 4  # of a pipeline


def scopes() -> dict:
    """Name -> what has the scope that a model is made in."""
    import massivetext_keras as mtk

    ways = {name: mtk.training.make_strategy(name) for name in ("none", "mirrored")}
    for axis in ("data", "tensor", "pipeline"):
        ways[f"{axis} 2"] = mtk.training.make_mesh(**{axis: 2})
    return ways


def main() -> None:
    begin = time.perf_counter()
    import tensorflow as tf

    import massivetext_keras as mtk

    mtk.training.set_logical_cpus(2)
    precision = mtk.training.set_precision("auto")
    ids = np.random.default_rng(0).integers(
        0, SMALL.vocabulary, [ROWS, SMALL.context + 1]
    )
    batch = {"token_ids": ids[:, :-1].astype("int32")}, ids[:, 1:].astype("int32")
    data = tf.data.Dataset.from_tensors(batch).repeat()
    models, first, best = {}, {}, {}
    for name, way in scopes().items():
        with way.scope():
            models[name] = our_lm()
            parts = MICRO_BATCHES if name.startswith("pipeline") else 1
            models[name].compile(mtk.training.adamw(3e-4), micro_batches=parts)
        start = time.perf_counter()
        models[name].fit(data, steps_per_epoch=1, verbose=0)
        first[name] = time.perf_counter() - start
    for _ in range(ROUNDS):
        for name, model in models.items():
            clock = mtk.training.Clock()
            model.fit(data, steps_per_epoch=STEPS, verbose=0, callbacks=[clock])
            best[name] = min(best.get(name, np.inf), clock.seconds_per_step)
    print(f"{'':10}     first step      a step   beside one device, in {precision}")
    for name, seconds in best.items():
        ratio = seconds / best["none"]
        print(f"{name:10} {first[name]:12.1f} s {1000 * seconds:8.1f} ms {ratio:8.2f}")
    numbers = {f"{name}, step, ms": 1000 * one for name, one in best.items()}
    numbers |= {f"{name}, first step, s": one for name, one in first.items()}
    keep(__file__, numbers, begin)


if __name__ == "__main__":
    main()

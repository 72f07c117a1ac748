"""Trains a tiny model in every combination of settings; prints what each ends with."""

from __future__ import annotations

import gc
import itertools
import json

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.training import (
    adamw,
    make_strategy,
    set_logical_cpus,
    set_precision,
)
from tests.processes import use_grappler
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batches

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# The first is what the others are compared with. On replicas each precision has one way
# of compilation, and each way several precisions: they meet in pairs on one device.
COMBINATIONS = [("none", "float32", False, 1), ("mirrored", "float32", False, 1)]
COMBINATIONS += itertools.product(("none",), PRECISIONS, (False, True), (2,))
COMBINATIONS += [
    ("mirrored", "float32", True, 2),
    ("mirrored", "mixed_bfloat16", False, 2),
    ("mirrored", "mixed_float16", True, 2),
]


def trained(strategy: str, precision: str, xla: bool, at_once: int) -> TinyLM:
    """After four updates."""
    keras.utils.set_random_seed(0)
    set_precision(precision)
    with make_strategy(strategy).scope():
        model = TinyLM(TINY.replace(num_layers=1))
        optimizer = adamw(0.02, 2, 6, epsilon=1e-6, clip_norm=0.5)
        options = {"jit_compile": xla, "steps_per_execution": at_once}
        model.compile(optimizer, **options)
    model.fit(batches(0, 4), verbose=0)
    return model


def weights(model: TinyLM) -> np.ndarray:
    return np.concatenate([w.numpy().ravel() for w in model.weights])


def main() -> None:
    use_grappler(False)
    gc.disable()  # graphs are made until the end, and few are garbage
    tf.config.threading.set_inter_op_parallelism_threads(8)
    set_logical_cpus(2)
    results, whole = {}, None
    for combination in COMBINATIONS:
        model = trained(*combination)
        found = weights(model)
        whole = found if whole is None else whole
        loss = float(model.loss_tracker.result())
        count = int(model.optimizer.iterations.numpy())
        distance = float(np.abs(found - whole).max())
        results["-".join(map(str, combination))] = [loss, count, distance]
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""Trains a tiny model on meshes in many ways; prints how far it is from one device."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import keras
import numpy as np

from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw, make_mesh, set_logical_cpus, set_precision
from tests.optimization.mesh.families import SMALL, batches
from tests.processes import use_grappler


def adam(**options) -> keras.Optimizer:
    return adamw(1e-3, 2, 20, clip_norm=0.5, weight_decay=0.1, **options)


def as_it_is(task: CausalLM) -> None:
    pass


def with_adapters(task: CausalLM) -> None:
    task.add_adapters("qkv|up|down|output", rank=2)
    for i, weight in enumerate(task.trainable_variables):
        weight.assign(np.random.default_rng(i).normal(size=weight.shape) * 0.1)


# Name -> mesh, what is done to the task, its optimizer, what `compile` is given. Those
# that can only fail by themselves share a mesh.
Way = tuple[tuple[int, int, int], Callable, Callable, dict]
WAYS: dict[str, Way] = {
    "micro-batches, layer-wise rates": (
        (2, 1, 2),
        as_it_is,
        lambda: adam(layer_decay=0.8),
        {"micro_batches": 4},
    ),
    "recomputation, steps at once": (
        (2, 2, 1),
        as_it_is,
        adam,
        {"recompute": True, "steps_per_execution": 5},
    ),
    "shared tokens, made again": (
        (1, 2, 1),
        with_adapters,
        adam,
        {"recompute": True, "shard_sequence": True},
    ),
    "rows that do not divide": ((1, 4, 1), as_it_is, adam, {"shard_sequence": True}),
    "a frozen block": ((1, 2, 2), lambda task: task.freeze("block_0|tokens"), adam, {}),
    "a frozen stage, SGD": (
        (2, 1, 2),
        lambda task: task.freeze("block_0|embed"),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        {},
    ),
    "adapters": ((1, 2, 2), with_adapters, adam, {}),
    "Muon": ((2, 2, 1), as_it_is, lambda: keras.optimizers.Muon(1e-3), {}),
    "a bound on each gradient": (
        (2, 1, 1),
        as_it_is,
        lambda: keras.optimizers.AdamW(1e-3, clipnorm=0.05),
        {},
    ),
    "private, shared weights": (
        (2, 2, 1),
        as_it_is,
        adam,
        {"privacy": DPSGD(0.3, 0.01), "shard_state": "weights", "micro_batches": 2},
    ),
    "private, stages": ((1, 2, 2), with_adapters, adam, {"privacy": DPSGD(0.3, 0.01)}),
    "mixed_bfloat16": ((2, 2, 1), as_it_is, adam, {}),
    "mixed_float16": ((1, 1, 2), as_it_is, adam, {}),
}


def trained(way: str, mesh, first: list[np.ndarray] | None) -> tuple[list, list]:
    """Weights before and after ten updates."""
    sizes, change, make, options = WAYS[way]
    config = SMALL.replace(num_layers=sizes[-1])  # a block in each stage
    set_precision(way if way.startswith("mixed") else "float32")
    keras.utils.set_random_seed(1)
    if mesh is None:
        options = {k: x for k, x in options.items() if not k.startswith("shard_")}
        task = CausalLM(config)
    else:
        with mesh.scope():
            task = CausalLM(config)
    for variable, value in zip(task.variables, first or (), strict=first is not None):
        variable.assign(value)
    before = [v.numpy() for v in task.variables]
    change(task)
    task.compile(make(), **options)
    task.fit(batches(task), verbose=0)
    return before, [v.numpy() for v in task.variables]


def main() -> None:
    use_grappler(False)
    set_logical_cpus(4)
    found = {}
    for way in sys.argv[1:]:
        first, right = trained(way, None, None)
        _, result = trained(way, make_mesh(*WAYS[way][0]), first)
        pairs = zip(right, result, strict=True)
        found[way] = max(float(np.abs(np.float64(a) - b).max()) for a, b in pairs)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

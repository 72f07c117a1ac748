"""Prints what devices of meshes keep, in parts of variables, as JSON: for each of some
meshes and each stage, the bytes on its devices."""

from __future__ import annotations

import json

from massivetext_keras.training import set_logical_cpus
from tests.optimization.mesh.memory import kept, made
from tests.optimization.mesh.splits import parsed
from tests.tasks.tiny import TINY

MESHES = [f"2x1x1:{state}" for state in ("none", "optimizer", "weights")]
MESHES += ["1x2x1", "1x1x2", "2x2x1:optimizer", "2x2x2:optimizer", "2x1x2:weights"]
# Shapes and their meshes: sizes that two divides, or not; stages that borrow weights.
CONFIGS = {
    "tied": (
        TINY.replace(vocabulary_size=49, num_layers=3, num_key_value_heads=2),
        MESHES,
    ),
    "relative": (
        TINY.replace(
            position="relative", tied_embeddings=False, gated=True, num_experts=2
        ),
        MESHES[-2:],
    ),
}


def main() -> None:
    set_logical_cpus(8)
    found = {}
    for name, (config, meshes) in CONFIGS.items():
        for mesh in meshes:
            axes, options = parsed(mesh)
            task = made(config, axes, **options)
            found[f"{name} {mesh}"] = kept(task)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

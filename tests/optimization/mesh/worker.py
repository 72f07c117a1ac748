"""One of the workers of TF_CONFIG: trains on a mesh of all, and alone; writes how far
the two are apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np

from massivetext_keras.training import make_mesh, set_logical_cpus
from tests.optimization.mesh.families import batches, made, trained
from tests.processes import use_grappler

FAMILY = "grouped heads, gated units"


class _Begun(keras.callbacks.Callback):
    """Leaves a file when the first batch is over."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_train_batch_end(self, batch, logs=None):
        self.path.touch()


def main(folder: Path, sizes: str, endless: bool = False) -> None:
    use_grappler(False)
    set_logical_cpus(2)
    mesh = make_mesh(*map(int, sizes.split("x")))
    with mesh.scope():
        task = made(FAMILY)
    if endless:
        task.compile("sgd")
        callbacks = [_Begun(folder / "begun")]
        task.fit(batches(task).repeat(), verbose=0, callbacks=callbacks)
    first = [v.numpy() for v in task.variables]  # agreed upon by all workers
    alone = made(FAMILY)
    for variable, value in zip(alone.variables, first, strict=True):
        variable.assign(value)
    together, right = trained(task, micro_batches=2), trained(alone, micro_batches=2)
    distances = {
        name: max(float(np.abs(a - b).max()) for a, b in zip(x, y, strict=True))
        for (name, x), y in zip(together.items(), right.values(), strict=True)
    }
    (folder / "distances.json").write_text(json.dumps(distances))
    np.savez(folder / "first.npz", *first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], endless="endless" in sys.argv)

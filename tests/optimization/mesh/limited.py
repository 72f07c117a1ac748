"""Trains a model of 27 MB, of which AdamW makes 107 MB with gradients, on a mesh of the
workers of TF_CONFIG or, without it, alone; writes the losses of its updates."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw, make_mesh
from tests.optimization.mesh.memory import shape
from tests.processes import use_grappler
from tests.tasks.tiny import randomize

CONFIG = shape(layers=2, size=512, words=512, length=32)
UPDATES, ROWS = 4, 4


class Losses(keras.callbacks.Callback):
    """Of each update."""

    def __init__(self):
        super().__init__()
        self.values, self.before = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = (batch + 1) * logs["loss"]  # it is the mean of the epoch so far
        self.values.append(float(total - self.before))
        self.before = total


def main(folder: Path, mesh: str = "") -> None:
    use_grappler(False)
    if mesh:
        with make_mesh(*map(int, mesh.split("x"))).scope():
            task = CausalLM(CONFIG)
        task.compile(adamw(1e-3), shard_state="optimizer")
    else:
        task = CausalLM(CONFIG)
        task.compile(adamw(1e-3), jit_compile=False)
    randomize(task, scale=0.05)
    ids = np.random.default_rng(0).integers(1, 512, [UPDATES * ROWS, 33])
    ids = ids.astype("int32")
    data = tf.data.Dataset.from_tensor_slices(({"token_ids": ids[:, :-1]}, ids[:, 1:]))
    losses = Losses()
    task.fit(data.batch(ROWS), callbacks=[losses], verbose=0)
    (folder / "losses.json").write_text(json.dumps(losses.values))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

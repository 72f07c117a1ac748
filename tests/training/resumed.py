"""Trains a tiny model to a number of updates on some mesh; prints what became of it.

    python -m tests.training.resumed FOLDER TEXT SPLIT STOP

SPLIT is "none" or such as "2x2:optimizer", STOP the update after which it is broken
off, 0 for never. The folder's checkpoint is gone on with.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys

import keras
import numpy as np

from massivetext_keras import training
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training.checkpoint_files import variables_of
from tests.processes import use_grappler

STEPS = 8
EXPERIMENT = ExperimentConfig.from_dict(
    {
        "model": {
            "vocabulary_size": 259,
            "num_layers": 1,
            "hidden_size": 16,
            "num_heads": 4,
            "intermediate_size": 32,
            "max_length": 32,
            "dropout": 0.1,
        },
        "data": {"batch_size": 4, "sequence_length": 16},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2, "ema": 0.9},
        "train": {
            "steps": STEPS,
            "precision": "float32",
            "strategy": "none",
            "evaluate_every": STEPS,
            "checkpoint_every": 2,
            "sample_every": 0,
            "logical_cpus": 4,
        },
    }
)


class Watch(keras.callbacks.Callback):
    """Keeps what is there before the first and after the last update."""

    def __init__(self, stop: int):
        super().__init__()
        self.stop, self.first, self.last, self.step = stop, None, {}, 0

    def on_train_begin(self, logs=None):
        if self.first is None:
            self.first, self.step = self.values(), int(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step == STEPS:
            self.last = self.values()
        if self.step == self.stop:
            raise KeyboardInterrupt

    def values(self) -> dict[str, np.ndarray]:
        return {k: np.array(v.numpy()) for k, v in variables_of(self.model).items()}


def digests(values: dict[str, np.ndarray]) -> list[str]:
    """Of each array in the order of the names, which Keras numbers as it likes."""
    return [
        hashlib.sha256(values[name].tobytes()).hexdigest() for name in sorted(values)
    ]


def main() -> None:
    folder, text, split, stop = sys.argv[1:]
    use_grappler(False)
    train = EXPERIMENT.train
    if split != "none":
        sizes, _, shard_state = split.partition(":")
        data, tensor = sizes.split("x")
        train = train.replace(
            mesh=f"data={data},tensor={tensor}", shard_state=shard_state or "none"
        )
    devices = training.make_devices(*train.devices)
    watch = Watch(int(stop))
    with contextlib.suppress(KeyboardInterrupt):
        training.train(
            EXPERIMENT.replace(train=train),
            [text],
            ByteTokenizer(),
            folder,
            strategy=devices,
            callbacks=(watch,),
        )
    last = {name: watch.last[name].tolist() for name in sorted(watch.last)}
    result = {"first": digests(watch.first), "last": list(last.values())}
    print(json.dumps({**result, "digests": digests(watch.last)}))


if __name__ == "__main__":
    main()

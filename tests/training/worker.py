"""Trains on all workers of TF_CONFIG, or alone without one; saves what came out."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from massivetext_keras.training import Checkpoint, adamw, make_strategy
from tests.tasks.tiny import TINY
from tests.training.tiny import TinyLM, batches

STEPS = 10


def train(folder: Path) -> dict[str, np.ndarray]:
    """The variables after STEPS updates, by number, and the logs."""
    keras.utils.set_random_seed(0)
    with make_strategy("auto").scope():
        model = TinyLM(TINY.replace(num_layers=1))
        # Gradients of the keys' biases are zero but for rounding, which Adam would blow
        # up with the usual epsilon.
        model.compile(adamw(0.02, 2, STEPS, epsilon=1e-6, clip_norm=0.5, ema=0.9))
    history = model.fit(
        batches(0, STEPS),
        validation_data=batches(50, 52),
        callbacks=[Checkpoint(folder)],
        verbose=0,
    )
    variables = model.variables + model.optimizer.variables
    return {
        **{str(i): np.asarray(v.numpy()) for i, v in enumerate(variables)},
        **{name: np.asarray(values[-1]) for name, values in history.history.items()},
        "replicas": np.asarray(model.distribute_strategy.num_replicas_in_sync),
    }


def main(place: Path) -> None:
    np.savez(place / "result.npz", **train(place))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Private updates on one device and on two replicas, in a process of its own."""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf

from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.training import make_strategy, set_logical_cpus
from tests.optimization.gradients.test_private import BATCH, classifier
from tests.processes import use_grappler


def trained(strategy: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights before and after two updates."""
    with make_strategy(strategy).scope():
        task = classifier()
        task.compile("sgd", privacy=DPSGD(clip_norm=0.3, noise_multiplier=0.5))
    task.randomness.state.assign([5, 6])
    before = [w.numpy() for w in task.trainable_variables]
    data = tf.data.Dataset.from_tensor_slices(BATCH).repeat(2).batch(4)
    task.fit(data, verbose=0)
    return before, [w.numpy() for w in task.trainable_variables]


def main() -> None:
    use_grappler(False)
    set_logical_cpus(2)
    (before, one), (_, other) = trained("none"), trained("mirrored")
    distances = [float(np.abs(x - y).max()) for x, y in zip(one, other, strict=True)]
    change = max(float(np.abs(x - y).max()) for x, y in zip(before, one, strict=True))
    print(json.dumps({"distances": distances, "change": change}))


if __name__ == "__main__":
    main()

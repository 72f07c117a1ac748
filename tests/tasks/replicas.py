"""What a task learns on one device, on two replicas and in parts of a batch.

In a process of its own, before TensorFlow makes its devices.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import keras
import numpy as np

from massivetext_keras.training import make_strategy, set_logical_cpus
from tests.processes import use_grappler

# Strategies, and into how many parts a batch is cut; the first is what others equal.
ALL = (("none", 1), ("mirrored", 1), ("none", 2))


def report(
    make: Callable, datasets: Callable, steps: int, ways: Sequence = ALL
) -> None:
    """Trains a task in several ways, with the processor as two devices.

    Prints, for `last_line_of`, the logs of each way, and how far the weights of the
    others are from the first.

    Args:
        make: makes the task.
        datasets: task -> training and validation batches.
        steps: of the epoch.
        ways: see `ALL`.
    """
    use_grappler(False)
    set_logical_cpus(2)
    logs, weights = [], []
    for name, parts in ways:
        keras.utils.set_random_seed(0)
        with make_strategy(name).scope():
            task = make()
            task.compile(keras.optimizers.SGD(0.1), micro_batches=parts)
        train, valid = datasets(task)
        fitted = task.fit(
            train, validation_data=valid, steps_per_epoch=steps, verbose=0
        )
        logs.append({key: values[0] for key, values in fitted.history.items()})
        weights.append(
            np.concatenate([w.numpy().ravel() for w in task.trainable_variables])
        )
    apart = [float(abs(weights[0] - other).max()) for other in weights[1:]]
    print(json.dumps([logs, apart]))

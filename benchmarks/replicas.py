"""What two mirrored replicas on virtual CPUs cost, beside one device.

The same global batch as in train_step.py, in one process, by turns.
"""

from __future__ import annotations

import time

import numpy as np
from common import keep
from gpt import SMALL, our_lm

ROWS, STEPS, ROUNDS = 16, 30, 3


def main() -> None:
    begin = time.perf_counter()
    import tensorflow as tf

    import massivetext_keras as mtk

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    precision = mtk.training.set_precision("auto")
    ids = np.random.default_rng(0).integers(
        0, SMALL.vocabulary, [ROWS, SMALL.context + 1]
    )
    batch = {"token_ids": ids[:, :-1].astype("int32")}, ids[:, 1:].astype("int32")
    data = tf.data.Dataset.from_tensors(batch).repeat()
    models, seconds = {}, {}
    for name in ("none", "mirrored"):
        with mtk.training.make_strategy(name).scope():
            models[name] = our_lm()
            models[name].compile(mtk.training.adamw(3e-4))
    for _ in range(ROUNDS):
        for name, model in models.items():
            clock = mtk.training.Clock()
            model.fit(data, steps_per_epoch=STEPS, verbose=0, callbacks=[clock])
            best = min(seconds.get(name, np.inf), clock.seconds_per_step)
            seconds[name] = best
            print(
                f"{name:9} {1000 * clock.seconds_per_step:7.1f} ms a step", flush=True
            )
    ratio = seconds["mirrored"] / seconds["none"]
    print(f"two replicas take {ratio:.2f} times one device's time, in {precision}")
    numbers = {f"{name}, step, ms": 1000 * one for name, one in seconds.items()}
    keep(__file__, numbers, begin)


if __name__ == "__main__":
    main()

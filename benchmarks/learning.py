"""What is learnt by which update, beside KerasHub and nanoGPT: width 64, 128 and 384.

Tinyshakespeare by characters, 12 rows of 64; AdamW with nanoGPT's rate, betas, decay
and clipping for all, and the same batches. Each model is measured by one loop of our
own, on every eighth window of the text's last tenth.
Needs the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from common import compete, on_torch, our_precision, print_ratios
from gpt import (
    Shape,
    features,
    keras_hub_lm,
    keras_logits,
    nano_gpt_lm,
    our_lm,
    torch_logits,
)
from shakespeare import (
    LEAST,
    WARMUP,
    characters,
    learning_rate,
    nats,
    random_windows,
    windows,
)

ROWS, LENGTH, PEAK, PARTS = 12, 64, 1e-3, 4
# shape -> updates
SHAPES = {
    Shape(65, 4, 64, 4, LENGTH, 0.0): 800,
    Shape(65, 4, 128, 4, LENGTH, 0.0): 800,
    Shape(65, 6, 384, 6, LENGTH, 0.0): 240,
}


def measure(make: Callable[[Shape, int], tuple[Callable, Callable]]) -> dict:
    """`make(shape, updates)` gives what learns from some batches, and the logits."""
    train, valid = characters()
    rows, results = windows(valid, LENGTH)[::8], {}
    for shape, updates in SHAPES.items():
        learn, logits = make(shape, updates)
        batches = random_windows(train, updates, ROWS, LENGTH)
        done = 0
        for part in np.split(batches, PARTS):
            learn(part)
            done += len(part)
            results[f"width {shape.width}, update {done}, nats"] = nats(logits, rows)
    return results


def keras_schedule(updates: int):
    from massivetext_keras.optimization.schedules import WarmupDecay

    return WarmupDecay(PEAK, WARMUP, updates, "cosine", LEAST)


def fit(model, part: np.ndarray, mask: bool) -> None:
    """An update for each batch."""
    import tensorflow as tf

    batches = features(part[:, :, :-1], mask), part[:, :, 1:]
    model.fit(tf.data.Dataset.from_tensor_slices(batches), verbose=0)


def ours() -> dict[str, float]:
    import keras

    import massivetext_keras as mtk

    mtk.training.set_precision(our_precision())

    def make(shape, updates):
        keras.utils.set_random_seed(0)
        lm = our_lm(shape)
        lm.compile(mtk.training.adamw(PEAK, WARMUP, updates, beta_2=0.99))
        return lambda part: fit(lm, part, mask=False), keras_logits(lm, mask=False)

    return measure(make)


def keras_hub() -> dict[str, float]:
    import keras

    def make(shape, updates):
        keras.utils.set_random_seed(0)
        lm = keras_hub_lm(shape)
        optimizer = keras.optimizers.AdamW(
            keras_schedule(updates), 0.1, beta_2=0.99, global_clipnorm=1.0
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        lm.compile(optimizer, loss, jit_compile=True)
        return lambda part: fit(lm, part, mask=True), keras_logits(lm, mask=True)

    return measure(make)


def nano_gpt() -> dict[str, float]:
    import torch
    from nanogpt_torch import optimizer_for, train_step

    def make(shape, updates):
        torch.manual_seed(0)
        model = nano_gpt_lm(shape)
        optimizer, number = optimizer_for(model, PEAK), iter(range(1, updates + 1))

        def learn(part):
            for rows in torch.tensor(part).long():
                rate = learning_rate(next(number), updates, PEAK)
                train_step(model, optimizer, rows[:, :-1], rows[:, 1:], rate)

        return learn, torch_logits(model)

    return measure(make)


CONTESTANTS = {
    "ours": ours,
    "keras_hub": keras_hub,
    "nanogpt": on_torch(nano_gpt),
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS, rounds=1)
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)

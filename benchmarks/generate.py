"""Greedy generation beside KerasHub and Hugging Face: speed, and time to a first token.

4 layers, width 256, 4 heads, vocabulary 8,192, float32; 1, 8 and 32 prompts of 16 and
of 200 tokens, 128 new ones. A model that was trained in mixed precision writes in
float32, as fast as any. The time to the first token is that of asking for one.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable

import numpy as np
from common import compete, keras_hub, on_torch, our_precision, print_ratios
from gpt import SMALL, hugging_face_lm, keras_hub_lm, our_lm

SHAPE = SMALL._replace(context=512)
BATCHES, PROMPTS, NEW = (1, 8, 32), (16, 200), 128
SECONDS, TIMES = 4.0, 5


def best_seconds(run: Callable[[], object]) -> float:
    """The best of five runs, or of those that begin within four seconds."""
    run()  # compiles
    begin, seconds = time.perf_counter(), []
    while len(seconds) < TIMES and time.perf_counter() - begin < SECONDS:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def measure(generate: Callable) -> dict[str, float]:
    """`generate(ids [batch, prompt], new)` at each size."""
    results = {}
    for batch, prompt in itertools.product(BATCHES, PROMPTS):
        ids = np.random.default_rng(0).integers(1, SHAPE.vocabulary, (batch, prompt))
        run = functools.partial(generate, ids.astype("int32"))
        what = f"batch {batch}, prompt {prompt}"
        seconds = best_seconds(lambda run=run: run(NEW))
        results[f"{what}, tokens/s"] = batch * NEW / seconds
        first = best_seconds(lambda run=run: run(1))
        results[f"{what}, first token, ms"] = 1000 * first
    return results


def ours(precision: str) -> dict[str, float]:
    import massivetext_keras as mtk

    mtk.training.set_precision(precision)
    lm = our_lm(SHAPE)
    return measure(
        lambda ids, new: lm.generate_ids(ids, max_new_tokens=new, temperature=0.0)
    )


def generate_keras_hub(precision: str, jit: bool) -> dict[str, float]:
    import keras

    keras.config.set_dtype_policy(precision)
    lm = keras_hub_lm(SHAPE)
    lm.compile(sampler="greedy", jit_compile=jit)

    def generate(ids, new):
        padding = [(0, 0), (0, new)]
        mask = np.pad(np.ones_like(ids), padding)
        inputs = {"token_ids": np.pad(ids, padding), "padding_mask": mask}
        return lm.generate(inputs, stop_token_ids=None)

    return measure(generate)


def hugging_face() -> dict[str, float]:
    import torch

    model = hugging_face_lm(SHAPE).eval()

    def generate(ids, new):
        ids = torch.tensor(ids).long()
        return model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new,
            min_new_tokens=new,
            do_sample=False,
            pad_token_id=0,
        )

    return measure(generate)


CONTESTANTS = {
    "ours": lambda: ours("float32"),
    "ours, trained in mixed precision": lambda: ours(our_precision()),
    **keras_hub(generate_keras_hub, ["float32"]),
    "hugging_face": on_torch(hugging_face),
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS, rounds=1)
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)

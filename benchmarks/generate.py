"""Tokens per second of greedy generation, beside KerasHub and Hugging Face.

4 layers, width 256, 4 heads, vocabulary 8,192; prompts of 16 tokens, 128 new ones. A
model that was trained in mixed precision writes in float32, as fast as any.
"""

from __future__ import annotations

import time

import numpy as np
from common import (
    VOCABULARY,
    compete,
    hugging_face_lm,
    keras_hub_lm,
    our_lm,
    print_ratios,
)

PROMPT, NEW = 16, 128


def measure(generate) -> dict:
    """`generate(ids [batch, PROMPT])` at batch 1 and 8, the best of five."""
    results = {}
    for batch in (1, 8):
        ids = np.random.default_rng(0).integers(1, VOCABULARY, (batch, PROMPT))
        ids, seconds = ids.astype("int32"), []
        generate(ids)
        for _ in range(5):
            begin = time.perf_counter()
            generate(ids)
            seconds.append(time.perf_counter() - begin)
        results[f"tokens/s at batch {batch}"] = batch * NEW / min(seconds)
    return results


def ours(precision: str) -> dict:
    import massivetext_keras as mtk

    mtk.training.set_precision(precision)
    lm = our_lm()
    return measure(
        lambda ids: lm.generate_ids(ids, max_new_tokens=NEW, temperature=0.0)
    )


def keras_hub(jit: bool) -> dict:
    lm = keras_hub_lm()
    lm.compile(sampler="greedy", jit_compile=jit)

    def generate(ids):
        padding = [(0, 0), (0, NEW)]
        mask = np.pad(np.ones_like(ids), padding)
        inputs = {"token_ids": np.pad(ids, padding), "padding_mask": mask}
        return lm.generate(inputs, stop_token_ids=None)

    return measure(generate)


def hugging_face() -> dict:
    import torch

    model = hugging_face_lm().eval()

    def generate(ids):
        ids = torch.tensor(ids).long()
        return model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            pad_token_id=0,
        )

    return measure(generate)


CONTESTANTS = {
    "ours": lambda: ours("float32"),
    "ours, trained in bfloat16": lambda: ours("mixed_bfloat16"),
    "keras_hub": lambda: keras_hub(False),
    "keras_hub, XLA": lambda: keras_hub(True),
    "hugging_face": hugging_face,
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    for batch in (1, 8):
        print_ratios(best, "ours", f"tokens/s at batch {batch}")

"""Tokens per second of greedy generation, beside KerasHub and Hugging Face.

4 layers, width 256, 4 heads, vocabulary 8,192; prompts of 16 tokens, 128 new ones.
"""

from __future__ import annotations

import time

import numpy as np
from common import compete, print_ratios

VOCABULARY, LAYERS, WIDTH, HEADS, CONTEXT = 8192, 4, 256, 4, 256
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


def ours() -> dict:
    import massivetext_keras as mtk

    config = mtk.configs.TransformerConfig(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        hidden_size=WIDTH,
        num_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_length=CONTEXT,
    )
    lm = mtk.tasks.CausalLM(config)
    return measure(
        lambda ids: lm.generate_ids(ids, max_new_tokens=NEW, temperature=0.0)
    )


def keras_hub(jit: bool) -> dict:
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=4 * WIDTH,
        max_sequence_length=CONTEXT,
    )
    lm = keras_hub.models.GPT2CausalLM(backbone)
    lm.compile(sampler="greedy", jit_compile=jit)

    def generate(ids):
        padding = [(0, 0), (0, NEW)]
        mask = np.pad(np.ones_like(ids), padding)
        inputs = {"token_ids": np.pad(ids, padding), "padding_mask": mask}
        return lm.generate(inputs, stop_token_ids=None)

    return measure(generate)


def hugging_face() -> dict:
    import torch
    import transformers

    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
    )
    model = transformers.GPT2LMHeadModel(config).eval()

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
    "ours": ours,
    "keras_hub": lambda: keras_hub(False),
    "keras_hub, XLA": lambda: keras_hub(True),
    "hugging_face": hugging_face,
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS)
    for batch in (1, 8):
        print_ratios(best, "ours", f"tokens/s at batch {batch}")

"""Beam search beside transformers' `generate`, on a Marian-shaped model.

6 + 6 layers, width 512, 8 heads, vocabulary 58,101, float32, the same random weights;
1 and 8 sources of 24 tokens, 48 new ones, four beams. The texts are compared too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import compete, on_torch, print_ratios
from generate import best_seconds

BATCHES, SOURCE, NEW, BEAMS = (1, 8), 24, 48, 4
START, END = 58100, 0
SEARCH = {"max_new_tokens": NEW, "min_new_tokens": NEW, "num_beams": BEAMS}


def folder() -> Path:
    """Where the model lies as Hugging Face has it, and the texts that were found."""
    return Path(os.environ["TRANSLATOR"])


def make_model(path: str) -> None:
    """Writes the model that all read."""
    from massivetext_keras import tasks

    tasks.Seq2SeqLM.from_preset("opus_mt_en_de").save_preset(path, "huggingface")


def measure(name: str, translate: Callable[[np.ndarray], np.ndarray]) -> dict:
    """`translate(ids [batch, source])` gives the best text of each, [batch, NEW]."""
    results = {}
    for batch in BATCHES:
        ids = np.random.default_rng(0).integers(1, START, (batch, SOURCE))
        ids = ids.astype("int32")
        seconds = best_seconds(lambda ids=ids: translate(ids))
        results[f"batch {batch}, {BEAMS} beams, tokens/s"] = batch * NEW / seconds
    np.save(folder() / name, translate(ids))
    return results


def ours() -> dict[str, float]:
    from massivetext_keras import tasks

    marian = {"start_id": START, "end_ids": [END], "never_ids": [START]}
    lm = tasks.Seq2SeqLM.from_preset(f"hf:{folder()}", **marian)

    def translate(ids):
        return lm.generate_ids(ids, **SEARCH).numpy()

    return measure("ours", translate)


def hugging_face() -> dict[str, float]:
    import torch
    import transformers

    model = transformers.MarianMTModel.from_pretrained(folder()).eval()

    def translate(ids):
        ids = torch.tensor(ids).long()
        found = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            decoder_start_token_id=START,
            pad_token_id=START,
            eos_token_id=END,
            forced_eos_token_id=None,
            bad_words_ids=[[START]],
            do_sample=False,
            **SEARCH,
        )
        return found[:, 1:].numpy()

    return measure("hugging_face", translate)


CONTESTANTS = {"ours": ours, "hugging_face": on_torch(hugging_face)}


def main() -> None:
    with tempfile.TemporaryDirectory() as path:
        if "TRANSLATOR" not in os.environ:
            os.environ["TRANSLATOR"] = path
            make_model(path)
        best = compete(__file__, CONTESTANTS)
        texts = [np.load(folder() / f"{name}.npy") for name in best]
    for measurement in best["ours"]:
        print_ratios(best, "ours", measurement)
    if not all(np.array_equal(texts[0], others) for others in texts[1:]):
        raise SystemExit("the texts that were found differ")


if __name__ == "__main__":
    main()

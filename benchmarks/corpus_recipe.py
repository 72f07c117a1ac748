"""What each step of a recipe costs on real pages, in one process: MB/s, and all of it.

From texts to the rows of the first stage, signatures for near-duplicates included;
without extraction, whose step sees no HTML here.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from common import corpus_pages

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.cleaning import kept_rows
from massivetext_keras.corpus.recipes import load_recipe
from massivetext_keras.reading.document import Document

BATCH, ROUNDS = 64, 3


def measure(recipe, texts: list[str]) -> Counter:
    """Seconds of processor time by step."""
    spent: Counter = Counter()
    signature = recipe.stage("minhash_bands")
    for first in range(0, len(texts), BATCH):
        batch = Batch(Document(text) for text in texts[first : first + BATCH])
        for step in recipe.bound():
            begin = time.process_time()
            checks = step.function(batch)
            failed = reasons(checks, len(batch))
            if any(failed):
                batch = batch.select([i for i, why in enumerate(failed) if not why])
            spent[step.name] += time.process_time() - begin
        begin = time.process_time()
        list(kept_rows(batch, signature))
        spent["minhash_bands, rows"] += time.process_time() - begin
    return spent


def main(name: str = "massivetext") -> None:
    recipe, texts = load_recipe(name), corpus_pages()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    measure(recipe, texts[:BATCH])  # loads what is loaded once
    best = min((measure(recipe, texts) for _ in range(ROUNDS)), key=Counter.total)
    for step, seconds in best.items():
        print(f"{step:20} {megabytes / max(seconds, 1e-6):10,.1f} MB/s")
    print(f"{name:20} {megabytes / best.total():10,.1f} MB/s, {megabytes:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Batches out of shards: how fast they are read, and how long a step waits for them.

The step is the quickstart's: gpt_nano, vocabulary 4,096, 8 rows of 128 tokens, AdamW.
What the step takes on shards is compared with the same step on one batch that lies in
memory, ten steps of each by turns in one process; the time that `next` takes to give a
batch is what a step waits.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path

from common import keep

BATCH, LENGTH, STEPS, ROUNDS = 8, 128, 10, 30


def shards(folder: Path, length: int):
    """Python's documentation as shards, read once and written anew."""
    import massivetext_keras as mtk

    source = folder / "text"
    if not source.exists():
        mtk.corpus.write_python_documentation(source)
    path, begin = folder / str(length), time.perf_counter()
    tokenizer = mtk.tokenizers.ByteTokenizer()
    manifest = mtk.data.write_shards(path, source, tokenizer, length)
    seconds = time.perf_counter() - begin
    print(
        f"written: {manifest.train.tokens / seconds:,.0f} tokens/s (bytes), "
        f"{manifest.train.padding:.2%} padding in rows of {length}"
    )
    return mtk.data.open_shards(path)


def read(source, batch_size: int) -> float:
    """Tokens per second of the reader alone, padding not counted."""
    batches = iter(source.training(batch_size))
    next(batches)
    tokens, begin = 0.0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < 2:
        features, _, _ = next(batches)
        tokens += float((features["segment_ids"].numpy() > 0).sum())
    return tokens / seconds


def train(source) -> dict[str, float]:
    """Steps on shards beside the same steps on one batch."""
    import keras
    import tensorflow as tf

    import massivetext_keras as mtk

    mtk.training.set_precision("auto")
    keras.utils.set_random_seed(0)
    tokenizer = mtk.tokenizers.ByteTokenizer()
    lm = mtk.tasks.CausalLM.from_preset(
        "gpt_nano", tokenizer, max_length=LENGTH, vocabulary_size=4096
    )
    lm.compile(mtk.training.adamw(1e-3))
    batches = source.training(BATCH)
    constant = next(iter(batches))
    step = tf.function(lm.train_step)

    def run(items) -> tuple[float, float]:
        """Seconds per step, and of these the seconds of waiting."""
        waited, begin = 0.0, time.perf_counter()
        for _ in range(STEPS):
            asked = time.perf_counter()
            batch = next(items)
            waited += time.perf_counter() - asked
            float(step(batch)["gradient_norm"])
        return (time.perf_counter() - begin) / STEPS, waited / STEPS

    run(itertools.repeat(constant))
    lasting = iter(batches)
    rounds = [(run(lasting), run(itertools.repeat(constant))) for _ in range(ROUNDS)]
    on_shards = statistics.median(seconds for (seconds, _), _ in rounds)
    waiting = statistics.median(waited for (_, waited), _ in rounds)
    cached = statistics.median(seconds for _, (seconds, _) in rounds)
    ratio = statistics.median(here / there for (here, _), (there, _) in rounds)
    print(f"step on shards: {1e3 * on_shards:.2f} ms, on one batch: {1e3 * cached:.2f}")
    print(f"shards to one batch, median of {ROUNDS} rounds: {ratio:.3f}")
    print(f"waiting for data: {1e3 * waiting:.3f} ms, {waiting / on_shards:.2%}")
    return {
        "step on shards, ms": 1e3 * on_shards,
        "step on one batch, ms": 1e3 * cached,
        "waiting, ms": 1e3 * waiting,
    }


def main() -> None:
    begin, numbers = time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        for length in (1024, LENGTH):
            source = shards(Path(folder), length)
            for batch_size in (8, 32):
                rate = read(source, batch_size)
                print(f"read: {rate:,.0f} tokens/s, {batch_size} rows of {length}")
                numbers[f"read, {batch_size} rows of {length}, tokens/s"] = rate
        numbers |= train(source)
    keep(__file__, numbers, begin)


if __name__ == "__main__":
    main()

"""What it costs to be watched: `fit` with and without TensorBoard, in turns.

The quickstart's size: gpt_nano, vocabulary 4,096, 8 rows of 128 tokens, all curves
every ten updates. A sample of text with its picture of attention is timed by itself.
Fails if the curves cost more than 2 %.
"""

from __future__ import annotations

import statistics
import tempfile
import time

import keras
import numpy as np
from common import keep

import massivetext_keras as mtk

ROWS, LENGTH, VOCABULARY = 8, 128, 4096
ROUNDS, STEPS, MOST = 16, 50, 0.02


def main() -> None:
    begin = time.perf_counter()
    mtk.training.set_precision("auto")
    keras.utils.set_random_seed(0)
    texts = mtk.corpus.python_documentation()[:40]
    tokenizer = mtk.tokenizers.SentencePieceTokenizer.train(
        texts=texts, vocabulary_size=VOCABULARY
    )
    lm = mtk.tasks.CausalLM.from_preset("gpt_nano", tokenizer, max_length=LENGTH)
    lm.compile(mtk.training.adamw(1e-3))
    tokens = mtk.data.encode_documents(tokenizer, texts)
    batches = mtk.data.training_batches(tokens, ROWS, LENGTH)

    def seconds(*callbacks: keras.callbacks.Callback) -> float:
        """Of STEPS updates; what is done once, before and after them, is no part."""
        clock = mtk.training.Clock()
        fitted = {"steps_per_epoch": STEPS + 1, "verbose": 0}
        lm.fit(batches, callbacks=[*callbacks, clock], **fitted)
        return clock.times[-1] - clock.times[0]

    with tempfile.TemporaryDirectory() as folder:
        board = mtk.training.TensorBoard(folder, every=10, embeddings=False)
        seconds(), seconds(board)  # which makes the graphs
        ratios, plain = [], []
        for turn in range(ROUNDS):
            pair = [seconds, lambda: seconds(board)]
            times = [run() for run in (pair if turn % 2 else pair[::-1])]
            times = times if turn % 2 else times[::-1]
            plain.append(times[0] / STEPS)
            ratios.append(times[1] / times[0])
        board = mtk.training.TensorBoard(folder, every=10**6, sample_every=1)
        board.set_model(lm)
        samples = []
        for _ in range(4):
            start = time.perf_counter()
            board._write_samples()
            samples.append(time.perf_counter() - start)
    ratio, quarters = statistics.median(ratios), np.percentile(ratios, [25, 75])
    print(f"an update: {1e3 * statistics.median(plain):.1f} ms")
    print(
        f"watched: {ratio:.3f} times as long; half of {ROUNDS} pairs lie between "
        f"{quarters[0]:.3f} and {quarters[1]:.3f}"
    )
    print(
        f"a sample with its picture: {samples[-1]:.2f} s, the first {samples[0]:.2f} s"
    )
    numbers = {
        "step, ms": 1e3 * statistics.median(plain),
        "watched step, ms": 1e3 * statistics.median(plain) * ratio,
        "sample, s": samples[-1],
    }
    keep(__file__, numbers, begin)
    if ratio > 1 + MOST:
        raise SystemExit(f"TensorBoard costs more than {MOST:.0%}")


if __name__ == "__main__":
    main()

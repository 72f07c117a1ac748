"""The Brown corpus by words: n-grams, Elman's network, GRU, LSTM and a GPT.

1.16 million words of 1961, the 6,000 most frequent ones and <unk>; of every twenty
parts of 500 sentences one is for evaluation. The neural models are about as large, with
embeddings of 200 that are tied, and have two passes over the text in batches of 32 rows
of 32 words, the recurrent ones with states that are carried on. What is measured is the
perplexity of a word, the end of a sentence included, with the mean and the deviation of
three seeds. The order of the literature is 5-grams, Elman's network, LSTM (Mikolov et
al., 2010; Sundermeyer et al., 2012).
With `python brown.py n_grams` alone: 94.9 of 3-grams and 95.0 of 5-grams, modified
Kneser-Ney; on any machine.
Needs the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

import collections
import math
import statistics
import time

import numpy as np
from common import compete, data_folder

WORDS, ROWS, LENGTH, EPOCHS, PART = 6000, 32, 32, 2, 500
SEEDS = 3
# contestant -> fields of its shape, and the peak of the rate
RECURRENT = {
    "rnn": ({"cell": "rnn"}, 1e-3),
    "gru": ({"cell": "gru"}, 3e-3),
    "lstm": ({"cell": "lstm"}, 3e-3),
}


def corpus() -> tuple[np.ndarray, np.ndarray]:
    """Words as ids, int32: those to learn from, and those to be measured on."""
    text = (data_folder() / "lm/brown.txt").read_text(encoding="utf-8")
    sentences = [[*line.split(), "\n"] for line in text.splitlines()]
    numbers = np.arange(len(sentences)) // PART % 20 == 19
    learnt = [s for s, held in zip(sentences, numbers, strict=True) if not held]
    held = [s for s, held in zip(sentences, numbers, strict=True) if held]
    counts = collections.Counter(word for s in learnt for word in s)
    known = {word: i for i, (word, _) in enumerate(counts.most_common(WORDS - 1), 1)}
    return tuple(
        np.array([known.get(word, 0) for s in some for word in s], np.int32)
        for some in (learnt, held)
    )


def n_grams() -> dict[str, float]:
    from massivetext_keras.ngram import KneserNey

    train, valid = corpus()
    return {
        f"{order}-grams, perplexity": math.exp(
            -KneserNey(order, vocabulary_size=WORDS, modified=True)
            .fit(train)
            .log_probs(valid)
            .mean()
        )
        for order in (3, 5)
    }


def learnt(config, peak: float, carried: bool) -> dict[str, float]:
    """The perplexity of a model that learns the text, of some seeds."""
    import massivetext_keras as mtk

    mtk.training.set_precision("auto")
    runs = [fitted(config, peak, carried, seed) for seed in range(SEEDS)]
    found = [run.pop("perplexity") for run in runs]
    print(*(f"{x:.1f}" for x in found), flush=True)
    return {
        "perplexity": statistics.mean(found),
        "spread, perplexity": statistics.stdev(found),
        **runs[0],
    }


def fitted(config, peak: float, carried: bool, seed: int) -> dict[str, float]:
    import keras

    import massivetext_keras as mtk
    from massivetext_keras.data.batching import streams, windows

    keras.utils.set_random_seed(seed)
    train, valid = corpus()
    lm = mtk.tasks.CausalLM(config)
    if carried:
        batches = streams.stream_batches(train, ROWS, LENGTH)
        held = streams.stream_validation(valid, ROWS, LENGTH)
    else:
        batches = windows.training_batches(train, ROWS, LENGTH, seed=seed)
        held = windows.validation_batches(valid, ROWS, LENGTH)
    updates = EPOCHS * len(batches)
    optimizer = mtk.training.adamw(peak, 100, updates, final_fraction=0.0)
    lm.compile(optimizer, **({"carry_rows": ROWS} if carried else {}))
    begin = time.perf_counter()
    lm.fit(batches, epochs=EPOCHS, verbose=0)
    seconds = time.perf_counter() - begin
    loss = lm.evaluate(held, verbose=0, return_dict=True)["loss"]
    return {
        "perplexity": math.exp(loss),
        "weights": lm.count_params(),
        "seconds": seconds,
    }


def recurrent(name: str) -> dict[str, float]:
    from massivetext_keras.configs import RecurrentConfig

    fields, peak = RECURRENT[name]
    config = RecurrentConfig(
        vocabulary_size=WORDS,
        num_layers=2,
        hidden_size=200,
        max_length=LENGTH,
        dropout=0.2,
        **fields,
    )
    return learnt(config, peak, carried=True)


def gpt() -> dict[str, float]:
    """Of which the words at the beginning of a row have little context."""
    from massivetext_keras.configs import TransformerConfig

    config = TransformerConfig(
        vocabulary_size=WORDS,
        num_layers=2,
        hidden_size=200,
        num_heads=4,
        intermediate_size=800,
        max_length=LENGTH,
        dropout=0.2,
    )
    return learnt(config, 1e-3, carried=False)


CONTESTANTS = {
    "n_grams": n_grams,
    **{name: (lambda name=name: recurrent(name)) for name in RECURRENT},
    "gpt": gpt,
}

if __name__ == "__main__":
    compete(__file__, CONTESTANTS, rounds=1)

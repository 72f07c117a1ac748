"""CPU seconds from the start of a process to the first update, and to that of another
shape: import, weights, tracing and XLA's compilation.

Width 64, 2 heads, vocabulary 1,000, 4 rows of 64 tokens, dropout 0.1, AdamW; a process
for each number of layers. CPU seconds, since others may use the machine.
"""

from __future__ import annotations

import functools
import time

from common import compete
from gpt import Shape, features

LAYERS = (1, 4, 12)


def measure(layers: int) -> dict[str, float]:
    """Seconds of each part, in this process."""
    seconds, before = {}, 0.0

    def note(part: str) -> None:
        nonlocal before
        now = time.process_time()
        seconds[f"{layers} layers, {part}, s"] = now - before
        before = now

    import numpy as np
    import tensorflow as tf

    import massivetext_keras as mtk

    config = Shape(1000, layers, 64, 2, 512).config
    make, optimizer = mtk.tasks.CausalLM, mtk.training.adamw(1e-3)
    note("import")
    lm = make(config)
    lm.compile(optimizer)
    note("weights")

    def fit(length: int) -> None:
        ids = np.random.default_rng(0).integers(5, 1000, (4, length + 1))
        examples = features(ids[:, :-1], mask=True), ids[:, 1:]
        batch = tf.data.Dataset.from_tensors(examples)
        lm.fit(batch, verbose=0)

    fit(64)
    note("first step")
    fit(71)
    note("another shape")
    fit(64)
    note("the first again")
    return seconds


CONTESTANTS = {
    f"ours, {layers} layers": functools.partial(measure, layers) for layers in LAYERS
}

if __name__ == "__main__":
    compete(__file__, CONTESTANTS)

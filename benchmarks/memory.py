"""Peak memory and speed of a training step: with and without what saves memory.

8 layers, width 256, vocabulary 32,768, float32: the loss over chunks of the logits or
over all of them at once, activations kept or made again, a batch whole or in
micro-batches; then how both grow with the length and the number of rows.
"""

from __future__ import annotations

import resource

import numpy as np
from common import compete

VOCABULARY, STEPS = 32_768, 6


def measure(
    rows: int = 16, length: int = 256, chunked: bool = True, **options
) -> dict[str, float]:
    """Mebibytes beyond those before the first step, and tokens a second."""
    import keras
    import tensorflow as tf

    import massivetext_keras as mtk

    class WholeLogits(mtk.tasks.CausalLM):
        def summed_loss(self, features, labels, weights, training):
            logits = self(features, training=training)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            return [tf.reduce_sum(losses * weights)], None

    mtk.training.set_precision("float32")
    keras.utils.set_random_seed(0)
    config = mtk.configs.TransformerConfig(
        vocabulary_size=VOCABULARY,
        num_layers=8,
        hidden_size=256,
        num_heads=4,
        intermediate_size=1024,
        max_length=length,
        dropout=0.1,
    )
    lm = (mtk.tasks.CausalLM if chunked else WholeLogits)(config)
    lm.compile(mtk.training.adamw(3e-4), **options)
    lm.optimizer.build(lm.trainable_variables)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, [rows, length + 1])
    batch = {"token_ids": ids[:, :-1].astype("int32")}, ids[:, 1:].astype("int32")
    before = peak()
    clock = mtk.training.Clock()
    data = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    lm.fit(data, verbose=0, callbacks=[clock])
    return {
        "MB": peak() - before,
        "tokens/s": rows * length / clock.seconds_per_step,
    }


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CONTESTANTS = {
    "logits at once": lambda: measure(chunked=False),
    "ours": lambda: measure(),
    "ours, recomputed": lambda: measure(recompute=True),
    "ours, 4 micro-batches": lambda: measure(micro_batches=4),
    "ours, both": lambda: measure(recompute=True, micro_batches=4),
    **{
        f"ours, {rows} rows of {length}": (
            lambda rows=rows, length=length: measure(rows, length)
        )
        for rows, length in ((4, 256), (64, 256), (16, 64), (16, 1024))
    },
}

if __name__ == "__main__":
    best = compete(__file__, CONTESTANTS, rounds=1)
    print(f"{'':24} {'peak, MB':>9} {'tokens/s':>9}")
    for name, results in best.items():
        print(f"{name:24} {results['MB']:9,.0f} {results['tokens/s']:9,.0f}")

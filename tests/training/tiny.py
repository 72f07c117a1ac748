"""A language model of a few hundred weights, and batches of noise for it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.layers.loss import cross_entropy
from massivetext_keras.models.gpt import GPT
from massivetext_keras.tasks.training_step import TrainingStep

CONFIG = TransformerConfig(
    vocabulary_size=17,
    num_layers=2,
    hidden_size=8,
    num_heads=2,
    intermediate_size=16,
    max_length=6,
)


class TinyLM(TrainingStep):
    """The smallest task: a loss, and three bytes for every label."""

    def __init__(self, config: TransformerConfig = CONFIG, tokenizer=None):
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.backbone = GPT(config)
        self.bits_tracker = keras.metrics.Mean(name="bits_per_byte")
        self.built = True

    def call(self, features, training=None):
        return self.backbone.logits(self.backbone(features, training=training))

    def summed_loss(self, features, labels, weights, training):
        hidden = self.backbone(features, training=training)
        return cross_entropy(
            tf.reshape(hidden, [-1, hidden.shape[-1]]),
            self.backbone.output_embedding.matrix(),
            tf.reshape(labels, [-1]),
            tf.reshape(weights, [-1]),
        )

    def label_bytes(self, labels):
        return tf.fill(tf.shape(labels), 3.0)

    def generate(self, prompts, **options):
        return [f"{prompt}<{options['max_new_tokens']}\nnew>" for prompt in prompts]


def batch(index: int, rows: int = 4) -> tuple[dict, np.ndarray, np.ndarray]:
    """Batch number `index`; its rows have 1 to 5 tokens with a loss."""
    random = np.random.default_rng(index)
    ids = random.integers(0, 17, [rows, 6]).astype("int32")
    lengths = random.integers(1, 6, rows)
    weights = (np.arange(5) < lengths[:, None]).astype("float32")
    return {"token_ids": ids[:, :-1]}, ids[:, 1:], weights


def batches(start: int, stop: int, rows: int = 4) -> tf.data.Dataset:
    """Batches `start` to `stop`, in order."""
    several = [batch(i, rows) for i in range(start, stop)]
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *x: np.stack(x), *several)
    )

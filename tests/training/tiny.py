"""The tiny language model as it is trained, and batches of noise for it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.configs import ModelConfig
from massivetext_keras.optimization.trackers import mean
from massivetext_keras.tasks.language_model.task import CausalLM
from tests.tasks.tiny import TINY


class TinyLM(CausalLM):
    """A task whose labels have `label_size` bytes each (None: unknown)."""

    def __init__(self, config: ModelConfig = TINY, label_size: float | None = 3.0):
        super().__init__(config)
        self.label_size = label_size
        if label_size is not None:
            self.bits_tracker = mean("bits_per_byte", "down")

    def label_bytes(self, labels):
        if self.label_size is not None:
            return tf.fill(tf.shape(labels), self.label_size)

    def generate(self, prompts, **options):
        return [f"{prompt}<{options['max_new_tokens']}\nnew>" for prompt in prompts]


def batch(index: int, rows: int = 4) -> tuple[dict, np.ndarray, np.ndarray]:
    """Batch number `index`; its rows have 1 to 5 tokens with a loss."""
    random = np.random.default_rng(index)
    ids = random.integers(0, TINY.vocabulary_size, [rows, 6]).astype("int32")
    lengths = random.integers(1, 6, rows)
    weights = (np.arange(5) < lengths[:, None]).astype("float32")
    return {"token_ids": ids[:, :-1]}, ids[:, 1:], weights


def batches(start: int, stop: int, rows: int = 4) -> tf.data.Dataset:
    """Batches `start` to `stop`, in order."""
    several = [batch(i, rows) for i in range(start, stop)]
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *x: np.stack(x), *several)
    )


class Clock(keras.callbacks.Callback):
    """Two seconds per batch of training, a hundred per batch of evaluation."""

    now = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self.now += 2.0

    def on_test_batch_begin(self, batch, logs=None):
        self.now += 100.0

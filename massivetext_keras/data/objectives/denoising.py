"""Damaged texts to be restored: how encoder-decoders learn from text alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.windows import ordered_windows, shuffled_windows
from massivetext_keras.data.objectives.base import Objective
from massivetext_keras.data.objectives.pairs import enclosed, pair_example
from massivetext_keras.text.framing import padded


class Denoising(Objective):
    """What objectives share that damage a text: `damage` says how.

    The task is an encoder-decoder with a `start_id`.
    """

    batches = "written texts"

    def damage(self, task):
        """Texts to sources and targets: see `SpanCorruption` and `Infilling`."""
        raise NotImplementedError

    def training(self, task, items, how):
        row = task.token_row(items, how.progress)
        return self._batches(task, row, how, how.seed, how.start)

    def validation(self, task, items, how):
        return self._batches(task, task.token_row(items, how.progress), how, None)

    def _batches(self, task, row, how, seed, start=0):
        tokenizer = task.need_tokenizer()
        length = how.length or task.config.max_length - 1 - tokenizer.add_bos
        damage, sizes = self.damage(task), (how.rows, length)
        side = tokenizer, task.start_id, seed, start
        return denoising_batches(row, *sizes, damage, *side)


@dataclasses.dataclass(frozen=True)
class Denoised(Denoising):
    """Texts that are damaged in a way that is made already.

    Attributes:
        how: `SpanCorruption`, `Infilling`, or another function like these.
    """

    how: Any = None

    def damage(self, task):
        return self.how


def denoising_batches(
    tokens: np.ndarray,
    batch_size: int,
    sequence_length: int,
    damage: Callable[[tf.Tensor, tf.Tensor], tuple],
    tokenizer,
    start_id: int,
    seed: int | None = 0,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches for pretraining, each a function of the seed and its number.

    Args:
        tokens: int32 [tokens], from `encode_documents`.
        batch_size: windows per batch.
        sequence_length: tokens of a window before damage.
        damage: what is done to it, `SpanCorruption` or `Infilling`.
        tokenizer: says what a text is enclosed in.
        start_id: what the decoder reads first.
        seed: of the windows and damage of endless training batches (None: all full
            windows once, in order, damaged in one way for good).
        start: number of the first training batch.

    Returns:
        Dataset of `(features, labels, loss weights)` as `pair_batches` gives.

    Raises:
        ValueError: there are not enough tokens for one window.
    """

    def example(k, windows, real=None):
        seeds = tf.cast(tf.stack([np.int64(seed or 0), k]), tf.int32)
        sides = []
        for side in damage(windows, seeds):
            width = (side.shape[1] or sequence_length) + 1 + tokenizer.add_bos
            if not isinstance(side, tf.RaggedTensor):
                side = tf.RaggedTensor.from_tensor(side)
            rows = padded(tokenizer, enclosed(tokenizer, side), width)
            sides += [tf.ensure_shape(x, [batch_size, width]) for x in rows.values()]
        features, labels, weights = pair_example(start_id, *sides)
        return features, labels, weights if real is None else weights * real[:, None]

    sizes = batch_size, sequence_length
    if seed is None:
        return ordered_windows(tokens, *sizes, example)
    return shuffled_windows(tokens, *sizes, example, 0, seed, start)


def check_shares(density: float, mean_span: float) -> None:
    """Refuses what spans cannot be drawn from."""
    if not 0.0 < density <= 0.5 or mean_span < 1.0:
        raise ValueError(
            f"density must be in (0, 0.5] and mean_span at least 1, got "
            f"{density} and {mean_span}"
        )

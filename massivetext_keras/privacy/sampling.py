"""Batches of random rows, from which nobody learns who is in them."""

from __future__ import annotations

from typing import Any

from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.tasks.base import Task


def poisson_batches(
    task: Task,
    train: Any,
    batch_size: int,
    max_length: int | None = None,
    seed: int = 0,
    start: int = 0,
) -> TrainingBatches:
    """Batches in each of which every example is with the same probability, for
    `DPSGD(sampling="poisson", expected_rows=batch_size)`.

    Args:
        task: that learns from examples.
        train: examples, or files of them.
        batch_size: rows that a batch has on average.
        max_length: tokens of a row (None: the model's `max_length`).
        seed: of which rows are in which batch.
        start: number of the first batch.

    Raises:
        ValueError: there are fewer examples.
    """
    examples = task.examples_of(train)
    batches = task.example_batches(examples, batch_size, max_length=max_length)
    return batches.poisson(batch_size, seed, start)

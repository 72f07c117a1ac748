"""The memory of the device that needs most of it, by part."""

from __future__ import annotations

from typing import NamedTuple

from massivetext_keras.planning.block import kept
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.split import (
    Split,
    hidden_bytes,
    micro_batch_tokens,
    padded_vocabulary,
)
from massivetext_keras.planning.stage import Stage, ends

_LOGIT = 8  # bytes: of a logit in float32, and of its gradient


class Memory(NamedTuple):
    """Bytes of a device.

    Attributes:
        weights: as products take them.
        gradients: of the weights.
        master: the weights in float32 that the optimizer updates, if others are used.
        moments: the means that AdamW keeps.
        activations: what the forward passes under way keep for their backward pass.
        logits: scores of the vocabulary, and their gradient.
    """

    weights: float
    gradients: float
    master: float
    moments: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """Of all parts. What the framework keeps for itself is not among them."""
        return sum(self)


def memory(job: Job, split: Split) -> Memory:
    """The memory of the fullest device: of the first stage or the last.

    A stage has as many micro-batches under way as stages come from it on; interleaved,
    the first stage has (p - 1) / (p v) as much again (Narayanan et al., 2021, 2.2.2).
    With sharded weights those of one block are whole at a time. Logits are whole; a
    cross-entropy in chunks takes less.

    Args:
        job: what is trained.
        split: among which devices.

    >>> from massivetext_keras.architecture.config import TransformerConfig
    >>> job = Job(TransformerConfig(vocabulary_size=50257), rows=8, length=1024)
    >>> [round(part / 1e6) for part in memory(job, Split())]
    [249, 249, 498, 996, 604, 412]
    """
    return max(
        (_of_stage(job, split, x) for x in ends(job, split.tensor, split.pipeline)),
        key=lambda found: found.total,
    )


def _of_stage(job: Job, split: Split, stage: Stage) -> Memory:
    count = stage.weights
    whole = split.data if split.shard_state == "weights" else 1
    gathered = max(part.weights for part, _ in stage.passed)
    tokens = micro_batch_tokens(job, split)
    words = padded_vocabulary(job.config, split.tensor)
    return Memory(
        weights=job.size * (count / whole + gathered * (whole > 1)),
        gradients=job.size * count / whole,
        master=job.master * count / split.optimizer_shards,
        moments=job.moments * count / split.optimizer_shards,
        activations=_activations(job, split, stage),
        logits=_LOGIT * tokens * words if stage.last else 0.0,
    )


def _activations(job: Job, split: Split, stage: Stage) -> float:
    under_way = 1.0
    if stage.first:
        under_way = min(split.micro_batches(job.rows), split.pipeline)
    if stage.first and split.chunks > 1:
        under_way *= 1 + (split.pipeline - 1) / (split.pipeline * split.chunks)
    whole = [(kept(job, split, part), count) for part, count in stage.passed]
    if not split.recompute:
        return under_way * sum(size * count for size, count in whole)
    entering = under_way * stage.blocks * hidden_bytes(job, split)
    return entering + max(size for size, _ in whole)

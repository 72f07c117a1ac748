"""What a stage of the pipeline has: blocks, and the weights of each of its devices."""

from __future__ import annotations

import functools
from typing import NamedTuple

from massivetext_keras.architecture.weights import count, weights
from massivetext_keras.planning.block import Block, block
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.split import padded_vocabulary, stages


class Stage(NamedTuple):
    """A stage, as each device of its tensor axis has it.

    Attributes:
        passed: kinds of blocks, and how often a token passes each.
        weights: numbers that the device holds, before replicas share them.
        first, last: whether it embeds, and whether it scores the vocabulary.
    """

    passed: tuple[tuple[Block, int], ...]
    weights: int
    first: bool
    last: bool

    @property
    def blocks(self) -> int:
        """That a token passes."""
        return sum(count for _, count in self.passed)


@functools.cache
def stage(job: Job, tensor: int, pipeline: int, index: int) -> Stage:
    """One stage of a job.

    Tied embeddings are on the first stage and on the last. They are split along the
    tensor axis; what else stands outside the blocks is on each device.

    Args:
        job: what is split.
        tensor, pipeline: devices along these axes.
        index: of the stage.

    >>> from massivetext_keras.architecture.config import TransformerConfig
    >>> config = TransformerConfig(vocabulary_size=50257)
    >>> stage(Job(config, 8, 1024), 1, 1, 0).weights == config.parameter_count()
    True
    """
    config = job.config
    passed: tuple[tuple[Block, int], ...]
    if config.stack == "encoder_decoder":
        own = (block(job, tensor), config.num_layers)
        passed = (own, (block(job, tensor, True), config.decoder_layers))
    else:
        passed = ((block(job, tensor), stages(config.num_layers, pipeline)[index]),)
    first, last = index == 0, index == pipeline - 1
    once = config.shared_layers
    held = sum(part.weights * (1 if once else number) for part, number in passed)
    words = padded_vocabulary(config, tensor) * config.width_of_embedding
    for weight in weights(config).values():
        here = first if weight.depth == 0 else last
        if weight.path in ("tokens/embeddings", "output/embeddings"):
            held += words * here
        elif not weight.depth and here:
            held += count([weight.sizes])
    if config.tied_embeddings and last and not first:
        held += words
    return Stage(passed, held, first, last)


def ends(job: Job, tensor: int, pipeline: int) -> list[Stage]:
    """The first stage and the last, or the only one."""
    return [stage(job, tensor, pipeline, index) for index in {0, pipeline - 1}]

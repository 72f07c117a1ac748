"""How a job is split among devices, and which splits there can be."""

from __future__ import annotations

import dataclasses
import math

from massivetext_keras.architecture.axes import AXES
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.planning.job import Job


@dataclasses.dataclass(frozen=True)
class Split:
    """A mesh of data x tensor x pipeline devices, and what each of them does at a time.

    Attributes:
        data: replicas, each with its share of the rows.
        tensor: devices among which every matrix of a block is split: columns of the
            first product, rows of the second (Shoeybi et al., 2019).
        pipeline: stages, each with its share of the blocks.
        micro_batch: rows of a replica at a time.
        chunks: shares of the blocks that a stage has; more than one is the interleaved
            schedule (Narayanan et al., 2021).
        shard_state: what the replicas split among them: "none", what the "optimizer"
            keeps (ZeRO 1), or that, gradients and "weights" (ZeRO 3; Rajbhandari et
            al., 2020).
        recompute: keep only what enters a block (Chen et al., 2016).
    """

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    micro_batch: int = 1
    chunks: int = 1
    shard_state: str = "none"
    recompute: bool = False

    @property
    def mesh(self) -> str:
        """Its axes in words.

        >>> Split(4, 8, 2).mesh
        'data 4 x tensor 8 x pipeline 2'
        """
        return " x ".join(f"{axis} {getattr(self, axis)}" for axis in AXES)

    @property
    def sizes(self) -> str:
        """Those of the axes alone.

        >>> Split(4, 8, 2).sizes
        '4 x 8 x 2'
        """
        return f"{self.data} x {self.tensor} x {self.pipeline}"

    @property
    def optimizer_shards(self) -> int:
        """Replicas among which what the optimizer keeps is split."""
        return 1 if self.shard_state == "none" else self.data

    def micro_batches(self, rows: int) -> int:
        """How many a replica has of a global batch."""
        return rows // (self.data * self.micro_batch)


def stages(blocks: int, pipeline: int) -> list[int]:
    """Blocks of each stage, the first of which may have one more.

    >>> stages(32, 3)
    [11, 11, 10]
    """
    least, more = divmod(blocks, pipeline)
    return [least + (stage < more) for stage in range(pipeline)]


def blocks(config: TransformerConfig) -> int:
    """Blocks that a token passes, or a row in an encoder-decoder."""
    decoder = config.decoder_layers if config.stack == "encoder_decoder" else 0
    return config.num_layers + decoder


def axis_problem(axis: str, size: int, job: Job) -> str:
    """Why an axis cannot be so large; "" if it can.

    Args:
        axis: "data", "tensor" or "pipeline".
        size: devices along it.
        job: what is split.

    >>> job = Job(TransformerConfig(), rows=512, length=1024)
    >>> axis_problem("tensor", 8, job)
    'does not divide the 12 heads'
    >>> axis_problem("tensor", 6, job), axis_problem("pipeline", 13, job)
    ('', 'is more than the 12 blocks')
    """
    config = job.config
    if axis == "data":
        wrong = job.rows % size
        return f"does not divide the {job.rows:,} rows of a batch" if wrong else ""
    if axis == "tensor":
        if config.num_heads % size:
            return f"does not divide the {config.num_heads} heads"
        heads = config.key_value_heads
        if heads % size and size % heads:
            return f"neither divides the {heads} heads of keys nor is a multiple"
        if config.intermediate_size % size:
            return f"does not divide the width within, {config.intermediate_size:,}"
        return ""
    if size > 1 and (config.stack == "encoder_decoder" or config.shared_layers):
        kind = "shared blocks" if config.shared_layers else "an encoder-decoder"
        return f"is more than one stage, and {kind} cannot be cut into stages here"
    most = blocks(config)
    return f"is more than the {most} blocks" if size > max(1, most) else ""


def schedule_problem(split: Split, job: Job) -> str:
    """Why a mesh cannot run in such chunks and micro-batches; "" if it can.

    >>> job = Job(TransformerConfig(), rows=512, length=1024)
    >>> schedule_problem(Split(2, 1, 4, micro_batch=64, chunks=4), job)
    '4 chunks of 4 stages do not divide the 12 blocks'
    """
    of_replica = job.rows // split.data
    if of_replica % split.micro_batch:
        return f"{split.micro_batch} rows do not divide the {of_replica} of a replica"
    if split.chunks == 1:
        return ""
    if split.pipeline == 1:
        return "chunks need more than one stage"
    if blocks(job.config) % (split.pipeline * split.chunks):
        return (
            f"{split.chunks} chunks of {split.pipeline} stages do not divide the "
            f"{blocks(job.config)} blocks"
        )
    parts = split.micro_batches(job.rows)
    if parts % split.pipeline:
        return f"{parts} micro-batches are no multiple of {split.pipeline} stages"
    return ""


def micro_batch_tokens(job: Job, split: Split) -> int:
    """Tokens of a micro-batch."""
    return split.micro_batch * job.length


def hidden_bytes(job: Job, split: Split) -> int:
    """Of the hidden states of a micro-batch."""
    return micro_batch_tokens(job, split) * job.config.hidden_size * job.size


def padded_vocabulary(config: TransformerConfig, tensor: int) -> int:
    """Rows of the token embedding that a device of the tensor axis has, a multiple of
    128 where there are several.

    >>> padded_vocabulary(TransformerConfig(vocabulary_size=50257), 8)
    6400
    """
    if tensor == 1:
        return config.vocabulary_size
    return 128 * math.ceil(config.vocabulary_size / (128 * tensor))

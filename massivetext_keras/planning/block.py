"""What a device of the tensor axis holds and multiplies in one block.

Sizes are those of the table of weights (`architecture.weights`), so that a plan knows
every shape that a model can have.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.weights import count, weights
from massivetext_keras.planning.cluster import Cluster
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.split import Split, micro_batch_tokens

_BY_COLUMNS = {"qkv", "query", "key_value", "up"}  # the others by rows


class Matrix(NamedTuple):
    """A matrix that tokens are multiplied with, as a device holds it.

    Attributes:
        rows, columns: of the part that is on the device.
        copies: matrices of that kind, one for each expert.
        share: of the tokens that each of them gets.
    """

    rows: int
    columns: int
    copies: int = 1
    share: float = 1.0


class Block(NamedTuple):
    """A block on one device of the tensor axis.

    Attributes:
        matrices: that tokens are multiplied with.
        weights: numbers that the device holds.
        attentions: one, or two where the block looks at an encoder, too.
    """

    matrices: tuple[Matrix, ...]
    weights: int
    attentions: int


@functools.cache
def block(job: Job, tensor: int, cross: bool = False) -> Block:
    """A block of a model on one of so many devices.

    Norms, biases and the router of experts are on each; heads of keys and values, too,
    where there are fewer of them than devices.

    Args:
        job: whose model it is.
        tensor: devices of the axis.
        cross: a block of an encoder-decoder's decoder.

    >>> block(Job(TransformerConfig(), 8, 1024), tensor=4).matrices[0]
    Matrix(rows=768, columns=576, copies=1, share=1.0)
    """
    config, stack = job.config, "stack"
    if config.stack == "encoder_decoder":
        stack = "decoder" if cross else "encoder"
    matrices, held = [], 0
    for path, weight in weights(config).items():
        if not path.startswith(f"{stack}/block_0/"):
            continue
        if weight.role not in ("matrix", "expert"):
            held += count([weight.sizes])
            continue
        name = path.split("/")[-2]
        *_, rows, parts = weight.sizes
        if name in _BY_COLUMNS:
            least = 1 if name == "up" else config.width_of_head
            parts = [max(part // tensor, least) for part in parts]
        elif name != "router":
            rows //= tensor
        matrix = Matrix(rows, sum(parts))
        if weight.role == "expert":
            share = config.experts_per_token / config.num_experts
            matrix = Matrix(rows, sum(parts), config.num_experts, share)
        held += matrix.rows * matrix.columns * matrix.copies
        matrices.append(matrix)
    return Block(tuple(matrices), held, 1 + cross)


def forward_flops(job: Job, split: Split, part: Block) -> float:
    """Operations of the forward pass of a micro-batch through a block."""
    tokens = micro_batch_tokens(job, split)
    products = sum(2 * m.rows * m.columns * m.copies * m.share for m in part.matrices)
    width = job.config.num_heads * job.config.width_of_head / split.tensor
    return tokens * (products + part.attentions * 4 * width * job.seen)


def product_seconds(job: Job, split: Split, cluster: Cluster, part: Block) -> float:
    """Of the products with matrices, in the forward pass of a micro-batch."""
    tokens = micro_batch_tokens(job, split)
    return sum(
        m.copies * cluster.product(tokens * m.share, m.rows, m.columns, job.size)
        for m in part.matrices
    )


def attention_seconds(job: Job, split: Split, cluster: Cluster, part: Block) -> float:
    """Of queries times keys and weights times values, in the forward pass.

    Each is a product for every head; its narrow side is the width of a head, and so the
    scores that it writes or reads take longer than the arithmetic, unless attention is
    fused.
    """
    config, length = job.config, job.length
    width = config.width_of_head
    count = part.attentions * split.micro_batch * config.num_heads / split.tensor
    if not job.fused_attention:
        return 2 * count * cluster.product(length, width, job.seen, job.size)
    arithmetic = 4 * length * width * job.seen / (cluster.efficiency * cluster.flops)
    moved = 2 * (length + job.seen) * width * job.size
    return count * (arithmetic + moved / cluster.memory_bandwidth)


def elementwise_seconds(job: Job, split: Split, cluster: Cluster, part: Block) -> float:
    """Of all else in the forward pass: reading and writing, at the speed of memory.

    For each token numbers are read and written: 2 d by a norm; 3 d where a part joins
    the residual stream, and a byte for each of d with dropout; 2 of queries, keys and
    values where they are moved, 2 more where rotated; 2 f by an activation, 3 f by a
    gated one; 2 for each score that is made a weight, 2 more and a byte with dropout.
    """
    config, parts = job.config, part.attentions + 1
    d, f = config.hidden_size, _inner(config)
    mask = 1 / job.size
    numbers = parts * (2 + 3 + mask * bool(config.dropout)) * d
    moved = 2 * _qkv(config, split.tensor) * part.attentions
    numbers += moved * (2 if config.position == "rotary" else 1)
    numbers += (3 if config.gated else 2) * f / split.tensor
    if not job.fused_attention:
        passes = 2 + (2 + mask) * bool(config.attention_dropout_rate)
        scores = _scores(job, split)
        numbers += passes * scores * part.attentions
    tokens = micro_batch_tokens(job, split)
    return tokens * numbers * job.size / cluster.memory_bandwidth


def kept(job: Job, split: Split, part: Block) -> float:
    """Bytes that the backward pass needs of a block and a micro-batch.

    Korthikanti et al., 2022: s b h (10 + 24 / t + 5 a s / (h t)), of the shape at hand:
    the inputs of norms and of the first products are on each device, the rest is split.
    """
    config, parts = job.config, part.attentions + 1
    d, f = config.hidden_size, _inner(config)
    mask = 1 / job.size
    numbers = parts * (2 + mask * bool(config.dropout)) * d
    width = config.num_heads * config.width_of_head / split.tensor
    numbers += part.attentions * (_qkv(config, split.tensor) + width)
    numbers += (4 if config.gated else 2) * f / split.tensor
    if not job.fused_attention:
        passes = 1 + (1 + mask) * bool(config.attention_dropout_rate)
        scores = _scores(job, split)
        numbers += part.attentions * passes * scores
    return micro_batch_tokens(job, split) * numbers * job.size


def _inner(config: TransformerConfig) -> int:
    """Numbers of a token within the feed-forward layers that it meets."""
    met = config.experts_per_token if config.num_experts else 1
    return met * config.intermediate_size


def _scores(job: Job, split: Split) -> float:
    """Of a token, on a device."""
    return job.config.num_heads * job.seen / split.tensor


def _qkv(config: TransformerConfig, tensor: int) -> float:
    """Numbers of queries, keys and values of a token on a device."""
    heads = config.num_heads / tensor + 2 * max(config.key_value_heads / tensor, 1)
    return heads * config.width_of_head

"""The seconds of an update and the bytes that it sends, by part."""

from __future__ import annotations

import functools
from collections import Counter
from typing import NamedTuple

from massivetext_keras.architecture.weights import weights
from massivetext_keras.planning.block import (
    attention_seconds,
    elementwise_seconds,
    forward_flops,
    product_seconds,
)
from massivetext_keras.planning.cluster import Cluster
from massivetext_keras.planning.job import Job
from massivetext_keras.planning.split import (
    Split,
    blocks,
    hidden_bytes,
    micro_batch_tokens,
    padded_vocabulary,
    stages,
)
from massivetext_keras.planning.stage import Stage, ends, stage

_LOSS = 24  # bytes read and written for a logit by the cross-entropy, both passes


class Seconds(NamedTuple):
    """Of an update, on the stage that takes longest.

    Attributes:
        products: of matrices, with those of recomputation.
        elementwise: all else that is computed, at the speed of memory.
        tensor: sums over the tensor axis.
        pipeline: what is handed from stage to stage.
        bubble: stages wait for the first micro-batch, or for the last.
        data: sums over the replicas.
        update: of the weights.
    """

    products: float = 0.0
    elementwise: float = 0.0
    tensor: float = 0.0
    pipeline: float = 0.0
    bubble: float = 0.0
    data: float = 0.0
    update: float = 0.0

    @property
    def total(self) -> float:
        """Of all parts: nothing is sent while something is computed."""
        return sum(self)

    def times(self, factor: float) -> Seconds:
        """Of so many."""
        return Seconds(*(factor * part for part in self))

    def plus(self, other: Seconds) -> Seconds:
        """Of both, one after the other."""
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))


class Sent(NamedTuple):
    """Bytes that a device sends in an update, along each axis."""

    tensor: float
    pipeline: float
    data: float


def seconds(job: Job, split: Split, cluster: Cluster) -> Seconds:
    """How long an update takes.

    m micro-batches pass p stages in the order 1F1B: the slowest stage has all of them,
    and waits once for all others, 1 / v of it with v chunks to a stage (Narayanan et
    al., 2021, 2.2). Sums over n devices are rings, 2 (n - 1) / n of the bytes.

    Args:
        job: what is trained.
        split: among which devices.
        cluster: how fast they are.

    >>> from massivetext_keras.architecture.config import TransformerConfig
    >>> job = Job(TransformerConfig(vocabulary_size=50257), rows=512, length=1024)
    >>> seconds(job, Split(data=8, micro_batch=16), Cluster(8)).total
    0.503
    """
    parts = split.micro_batches(job.rows)
    sizes = stages(blocks(job.config), split.pipeline)
    # The first, the last, and one of each size between them
    kinds = {0: 1, split.pipeline - 1: 1}
    for size, count in Counter(sizes[1:-1]).items():
        kinds[sizes.index(size, 1)] = count
    of = {index: _micro_batch(job, split, cluster, index) for index in kinds}
    slowest = max(of.values(), key=lambda found: found.total)
    every = sum(count * of[index].total for index, count in kinds.items())
    return slowest.times(parts).plus(
        Seconds(
            bubble=(every - slowest.total) / split.chunks,
            data=_data_bytes(job, split) / _data_bandwidth(split, cluster),
            update=_update_bytes(job, split) / cluster.memory_bandwidth,
        )
    )


def sent(job: Job, split: Split) -> Sent:
    """What the busiest device sends in an update.

    What the devices of a stage gather after a handing over is sent on the tensor axis.
    """
    parts = split.micro_batches(job.rows)
    both = ends(job, split.tensor, split.pipeline)
    tensor = max(_tensor_bytes(job, split, each) for each in both)
    over, ring = _handed(job, split)
    return Sent(parts * (tensor + ring), parts * over, _data_bytes(job, split))


def hardware_flops(job: Job, split: Split) -> float:
    """Operations of an update on all devices, those of recomputation too.

    With recomputation it is 96 B s l h^2 (1 + s / 6 h + V / 16 l h), as Narayanan et
    al., 2021 count them, of the shape at hand.
    """
    return job.flops + split.recompute * _again(job)


@functools.cache
def _again(job: Job) -> float:
    one = Split()
    passed = stage(job, 1, 1, 0).passed
    return job.rows * sum(forward_flops(job, one, x) * count for x, count in passed)


def _micro_batch(job: Job, split: Split, cluster: Cluster, index: int) -> Seconds:
    """Forward and backward pass of a micro-batch in a stage."""
    here, again = stage(job, split.tensor, split.pipeline, index), int(split.recompute)
    found = Seconds()
    for part, count in here.passed:
        attention = attention_seconds(job, split, cluster, part)
        # A backward pass is two products for each; fused, it makes scores again.
        products = (3 + again) * product_seconds(job, split, cluster, part)
        products += (3 + again + 0.5 * job.fused_attention) * attention
        elementwise = (3 + again) * elementwise_seconds(job, split, cluster, part)
        one = Seconds(products=products, elementwise=elementwise)
        found = found.plus(one.times(count))
    if here.last:
        found = found.plus(_output(job, split, cluster))
    over, ring = _handed(job, split)
    near = cluster.bandwidth(1, split.tensor)
    far = cluster.bandwidth(split.tensor * split.data, split.pipeline)
    return found.plus(
        Seconds(
            tensor=_tensor_bytes(job, split, here) / near,
            pipeline=over / far + ring / near,
        )
    )


def _output(job: Job, split: Split, cluster: Cluster) -> Seconds:
    """Of what stands outside the blocks: the scores of the vocabulary and their loss,
    and matrices such as the projection of narrow embeddings."""
    config, tokens = job.config, micro_batch_tokens(job, split)
    words = padded_vocabulary(config, split.tensor)
    products = cluster.product(tokens, config.width_of_embedding, words, job.size)
    for rows, columns in _outer_matrices(job):
        products += cluster.product(tokens, rows, columns, job.size)
    moved = _LOSS * tokens * words
    return Seconds(products=3 * products, elementwise=moved / cluster.memory_bandwidth)


@functools.cache
def _outer_matrices(job: Job) -> list[tuple[int, int]]:
    return [
        (weight.sizes[0], sum(weight.sizes[1]))
        for weight in weights(job.config).values()
        if weight.role == "matrix" and not weight.depth
    ]


def _tensor_bytes(job: Job, split: Split, here: Stage) -> float:
    """Bytes that a device sends to others of its tensor axis for a micro-batch.

    In each block two sums forward and two backward, two more with recomputation; one of
    the embeddings, and one of the gradients of the scores (Shoeybi et al., 2019).
    """
    t = split.tensor
    whole = hidden_bytes(job, split)
    sums = here.first + here.last
    for part, count in here.passed:
        sums += count * (1 + part.attentions) * (2 + split.recompute)
    return sums * 2 * (t - 1) / t * whole


def _handed(job: Job, split: Split) -> tuple[float, float]:
    """Bytes that a device hands to the next stage for a micro-batch, and those that it
    then sends to others of its tensor axis.

    Each hands on 1 / t of what all have, and they gather the rest ("scatter/gather",
    Narayanan et al., 2021, 4.1): once forward and once backward, for each chunk.
    """
    if split.pipeline == 1:
        return 0.0, 0.0
    t = split.tensor
    whole = hidden_bytes(job, split)
    passes = 2 * split.chunks
    return passes * whole / t, passes * whole * (t - 1) / t


def _data_bytes(job: Job, split: Split) -> float:
    """Bytes that a device sends to other replicas in an update.

    2 (d - 1) / d of the gradients in a ring; with a sharded optimizer the same, half of
    it weights. Sharded weights are gathered for the forward and for the backward pass
    of each micro-batch, and its gradients are scattered (Rajbhandari et al., 2020).
    """
    gradients = job.size * _most_weights(job, split)
    passes = 3 * split.micro_batches(job.rows) if split.shard_state == "weights" else 2
    return passes * (split.data - 1) / split.data * gradients


def _data_bandwidth(split: Split, cluster: Cluster) -> float:
    """Bytes per second among replicas.

    Sharded weights are gathered in many small messages. Six published runs of ZeRO 3
    got no more between nodes than the speed of one adapter for each device (table 2 of
    Narayanan et al., 2021), however many replicas shared a node; so that is counted.
    """
    found = cluster.bandwidth(split.tensor, split.data)
    if split.shard_state == "weights" and found < cluster.intra:
        return min(found, cluster.inter)
    return found


def _update_bytes(job: Job, split: Split) -> float:
    """Bytes read and written where AdamW updates what a device has."""
    kept = _most_weights(job, split) / split.optimizer_shards
    written = job.size if job.master else 2 * job.size
    return kept * (job.size + 2 * (job.master + job.moments) + written)


def _most_weights(job: Job, split: Split) -> int:
    return max(each.weights for each in ends(job, split.tensor, split.pipeline))

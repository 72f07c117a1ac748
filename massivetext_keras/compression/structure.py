"""Heads and feed-forward columns are taken out of a model, which is smaller then.

What is taken out is what the loss feels least: scaled by m, a head or a column changes
it by dL/dm, which is the sum of its rows of the product behind it times their gradients
(Michel et al., 2019; Molchanov et al., 2019).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.optimization.batches import unpacked
from massivetext_keras.saving.weights import array_of
from massivetext_keras.tasks.base import Task

_PART = re.compile(r"block_(\d+)/(attention|feed_forward)/(qkv|output|up|down)/(\w+)$")
_BATCHES = 64


class Importance(NamedTuple):
    """How much the loss feels of each part, means of |dL/dm| over batches.

    Attributes:
        heads: float32 [blocks, key_value_heads], of grouped heads together.
        columns: float32 [blocks, intermediate_size].
    """

    heads: np.ndarray
    columns: np.ndarray


def importance(task: Task, batches: Iterable, most: int = _BATCHES) -> Importance:
    """Of the heads and columns of a task, on batches of its examples.

    Args:
        task: on one stack of Transformer blocks.
        batches: of `task.datasets`; small ones tell more, 8 rows for instance.
        most: batches that are taken.

    Raises:
        ValueError: the task has no such parts, or there are no batches.
    """
    config = _checked(task)
    blocks = range(config.num_layers)
    named = task.base_weights()
    kernels = [
        named[f"stack/block_{i}/{name}/kernel"]
        for name in ("attention/output", "feed_forward/down")
        for i in blocks
    ]

    values = [kernel.value for kernel in kernels]

    @tf.function(autograph=False, reduce_retracing=True)
    def felt(features, labels, weights):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            losses = task.summed_loss(features, labels, weights, training=False)[0]
        slopes = tape.gradient(losses[0], values)
        by_row = [
            tf.reduce_sum(tf.cast(w * slope, tf.float32), -1)
            for w, slope in zip(values, slopes, strict=True)
        ]
        return by_row, tf.reduce_sum(weights)

    heads = np.zeros([len(blocks), config.key_value_heads], np.float32)
    columns = np.zeros([len(blocks), config.intermediate_size], np.float32)
    taken = [
        felt(*unpacked(batch, task.as_labels, task.weighs_rows))
        for batch in itertools.islice(batches, most)
    ]
    if not taken:
        raise ValueError("batches: there are none to measure importance on")
    for by_row, weight in taken:
        rows = [x.numpy() / float(weight) for x in by_row]
        of_heads = np.reshape(rows[: len(blocks)], [*heads.shape, -1]).sum(-1)
        heads += np.abs(of_heads)
        columns += np.abs(rows[len(blocks) :])
    return Importance(heads / len(taken), columns / len(taken))


def without(
    task: Task, found: Importance, heads: float = 0.0, columns: float = 0.0
) -> Task:
    """A smaller task, with what is most important in each block.

    It is to be fine-tuned; until then it is a little worse.

    Args:
        task: stays as it is.
        found: of it, from `importance`.
        heads: share of the heads that is taken out, from 0 to below 1.
        columns: share of the feed-forward columns, from 0 to below 1.

    Raises:
        ValueError: a share is out of its range, or heads cannot be taken out.
    """
    config = _checked(task)
    for name, share in (("heads", heads), ("columns", columns)):
        if not 0.0 <= share < 1.0:
            raise ValueError(f"{name} must be from 0 to below 1, got {share}")
    if heads and config.position == "relative":
        raise ValueError(
            "heads: with position='relative' all blocks share what each head adds to "
            "scores: take out columns alone"
        )
    kept_heads, kept_columns = _kept(found.heads, heads), _kept(found.columns, columns)
    groups, size = kept_heads.shape[1], config.width_of_head
    shared = config.num_heads // config.key_value_heads
    smaller = config.replace(
        num_heads=groups * shared,
        num_key_value_heads=groups if config.num_key_value_heads else None,
        head_size=size if heads else config.head_size,
        intermediate_size=kept_columns.shape[1],
    )
    result = type(task)(smaller, task.tokenizer, **task.chosen())
    known = task.named_weights()
    for name, weight in result.named_weights().items():
        value = array_of(known[name])
        if match := _PART.search(name):
            block = int(match[1])
            kept = kept_heads[block], kept_columns[block]
            value = _cut(value, match[3], match[4], *kept, config)
        weight.assign(value)
    result.backbone.has_learnt = task.backbone.has_learnt
    return result


def _cut(
    value: np.ndarray,
    layer: str,
    kind: str,
    heads: np.ndarray,
    columns: np.ndarray,
    config: TransformerConfig,
) -> np.ndarray:
    """What of a kernel or bias belongs to the parts that stay."""
    size = config.width_of_head
    shared = config.num_heads // config.key_value_heads
    within = np.arange(shared * size)
    queries = (heads[:, None] * shared * size + within).ravel()
    if layer == "qkv":
        groups = (heads[:, None] * size + np.arange(size)).ravel()
        start, width = config.num_heads * size, config.key_value_heads * size
        both = start + groups, start + width + groups
        return value[..., np.concatenate([queries, *both])]
    if layer == "up":
        halves = [columns, config.intermediate_size + columns]
        return value[..., np.concatenate(halves) if config.gated else columns]
    if kind != "kernel":  # of what is given, which stays as wide
        return value
    return value[queries if layer == "output" else columns]


def _kept(found: np.ndarray, share: float) -> np.ndarray:
    """Numbers of the most important parts of each block, in order, [blocks, kept]."""
    count = max(round(found.shape[1] * (1.0 - share)), 1)
    best = np.argsort(-found, axis=1, kind="stable")[:, :count]
    return np.sort(best, axis=1)


def _checked(task: Task) -> TransformerConfig:
    config = task.config
    if (
        not isinstance(config, TransformerConfig)
        or config.stack == "encoder_decoder"
        or config.num_experts
        or task.mesh is not None
    ):
        raise ValueError(
            f"parts are taken out of one stack of Transformer blocks without experts, "
            f"on one device: this {type(task).__name__} has another"
        )
    if task.quantization.storages():
        raise ValueError("the task is stored in fewer bits: dequantize() it first")
    return config

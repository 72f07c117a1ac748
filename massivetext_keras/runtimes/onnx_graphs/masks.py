"""Which keys a query sees, and where tokens stand, in operations of ONNX."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.masks import HIDDEN
from massivetext_keras.layers.positions import relative_bucket, rotary_frequencies
from massivetext_keras.runtimes.onnx_graphs.graph import Graph


def counted(graph: Graph, mask: str) -> str:
    """Places of the real tokens of rows, from 0 on; padding before them has 0.

    Args:
        mask: int64 [batch, length], 0 at padding.

    Returns:
        int64 [batch, length].
    """
    count = graph.op("CumSum", mask, np.array(1))
    return graph.op("Max", graph.op("Sub", count, 1), 0)


def rows_between(graph: Graph, start: str | int, end: str) -> str:
    """start, …, end - 1, int64."""
    return graph.op("Range", start, end, 1)


def padding_bias(graph: Graph, mask: str) -> str:
    """Masks int64 [batch, keys] as what is added to scores, [batch, 1, 1, keys]."""
    seen = graph.op("Unsqueeze", graph.cast(mask, np.bool_), [1, 2])
    return graph.op("Where", seen, 0.0, HIDDEN)


def score_bias(
    graph: Graph,
    config: TransformerConfig,
    queries: str,
    keys: str,
    mask: str,
    relative: str | None,
    causal: bool,
    past: str | None = None,
) -> str:
    """Masks and position bias in one tensor, as of `layers.stack.TransformerStack`.

    Args:
        queries, keys: their places in the sequence, int64 [queries] and [keys].
        mask: int64 [batch, keys], 0 at padding.
        relative: name of the weights of relative positions, if there are any.
        causal: hide keys after the query.
        past: how many keys an earlier call made; a prefix model hides nothing in the
            first one.

    Returns:
        Broadcast to [batch, heads, queries, keys].
    """
    bias, seen = padding_bias(graph, mask), None
    if not causal and config.window is None and relative is None:
        return bias
    distance = graph.op(
        "Sub", graph.op("Unsqueeze", queries, [1]), graph.op("Unsqueeze", keys, [0])
    )
    if causal:
        seen = graph.op("GreaterOrEqual", distance, 0)
        if config.stack == "prefix":
            seen = graph.op("Or", seen, graph.op("Equal", past, 0))
    if config.window is not None:
        away = distance if causal else graph.op("Abs", distance)
        near = graph.op("Less", away, config.window)
        seen = near if seen is None else graph.op("And", seen, near)
    if seen is not None:
        hidden = graph.op("Where", seen, 0.0, HIDDEN)
        bias = graph.op("Min", bias, hidden)
    if relative is not None:
        away = graph.op("Neg", distance)
        bias = graph.op("Add", bias, _relative(graph, config, away, relative, causal))
    return bias


def _relative(
    graph: Graph, config: TransformerConfig, distance: str, path: str, causal: bool
) -> str:
    """Bias of `key - query`, [1, heads, queries, keys], from a row for each distance
    that is told apart: buckets are made here, where rounding is that of training."""
    most = config.relative_max_distance
    distances = tf.range(-most, most + 1)
    buckets = relative_bucket(distances, not causal, config.relative_buckets, most)
    rows = graph.array(f"{path}/by_distance", graph.value(path)[buckets.numpy()])
    places = graph.op("Add", graph.op("Clip", distance, -most, most), most)
    bias = graph.op("Gather", rows, places)
    return graph.op("Unsqueeze", graph.op("Transpose", bias, perm=[2, 0, 1]), [0])


def rotary(
    graph: Graph, config: TransformerConfig, positions: str
) -> tuple[str, str] | None:
    """Cosines and sines [batch, 1, length, half] of places int64 [batch or 1, length];
    None of a config without them."""
    if config.position != "rotary":
        return None
    frequencies = rotary_frequencies(
        config.rotary_size, config.rope_theta, config.rope_scaling
    )
    places = graph.op("Unsqueeze", graph.cast(positions, np.float32), [1, 3])
    angles = graph.op("Mul", places, frequencies)
    return graph.op("Cos", angles), graph.op("Sin", angles)

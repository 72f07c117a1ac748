"""The layers of a block in operations of ONNX."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.runtimes.onnx_graphs.graph import Graph


class Cached(NamedTuple):
    """Keys and values of one layer, [batch, key_value_heads, keys, head_size]."""

    keys: str
    values: str


def dense(graph: Graph, x: str, path: str) -> str:
    """`layers.Dense`: x [..., inputs] -> [..., outputs], with its bias, if any."""
    x = graph.op("MatMul", x, graph.weight(f"{path}/kernel"))
    if graph.has_weight(f"{path}/bias"):
        x = graph.op("Add", x, graph.weight(f"{path}/bias"))
    return x


def normalized(graph: Graph, x: str, path: str, config: TransformerConfig) -> str:
    """`layers.Normalization` over the last axis."""
    gain = graph.weight(f"{path}/gain")
    if config.norm == "layer_norm":
        offset = graph.weight(f"{path}/offset")
        return graph.op(
            "LayerNormalization", x, gain, offset, axis=-1, epsilon=config.norm_epsilon
        )
    squares = graph.op("ReduceMean", graph.op("Mul", x, x), [-1], keepdims=1)
    root = graph.op("Sqrt", graph.op("Add", squares, config.norm_epsilon))
    return graph.op("Mul", graph.op("Div", x, root), gain)


def activated(graph: Graph, x: str, name: str) -> str:
    """One of `kernels.activation.ACTIVATIONS`.

    Raises:
        KeyError: there is none of the name.
    """
    return _ACTIVATIONS[name](graph, x)


def _gelu(graph: Graph, x: str) -> str:
    erf = graph.op("Erf", graph.op("Div", x, math.sqrt(2.0)))
    return graph.op("Mul", graph.op("Mul", x, graph.op("Add", erf, 1.0)), 0.5)


def _gelu_tanh(graph: Graph, x: str) -> str:
    cube = graph.op("Mul", x, graph.op("Mul", x, x))
    inner = graph.op("Add", x, graph.op("Mul", cube, 0.044715))
    inner = graph.op("Tanh", graph.op("Mul", inner, math.sqrt(2.0 / math.pi)))
    return graph.op("Mul", graph.op("Mul", x, graph.op("Add", inner, 1.0)), 0.5)


_ACTIVATIONS = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "relu": lambda graph, x: graph.op("Relu", x),
    "silu": lambda graph, x: graph.op("Mul", x, graph.op("Sigmoid", x)),
}


def _inside(graph: Graph, x: str, config: TransformerConfig) -> str:
    """What goes on of the first product: its activation, gated where the config is."""
    if not config.gated:
        return activated(graph, x, config.activation)
    x, gate = graph.ops("Split", 2, x, axis=-1, num_outputs=2)
    return graph.op("Mul", activated(graph, x, config.activation), gate)


def feed_forward(graph: Graph, x: str, path: str, config: TransformerConfig) -> str:
    """`layers.FeedForward`, or `layers.MixtureOfExperts` of a config with experts."""
    if config.num_experts:
        return _experts(graph, x, path, config)
    x = _inside(graph, dense(graph, x, f"{path}/up"), config)
    return dense(graph, x, f"{path}/down")


def _experts(graph: Graph, x: str, path: str, config: TransformerConfig) -> str:
    """Every expert reads every token, and what the router did not choose counts 0."""
    rows = graph.op("Reshape", x, [-1, config.hidden_size])
    shares = graph.op("Softmax", dense(graph, rows, f"{path}/router"), axis=-1)
    best, chosen = graph.ops("TopK", 2, shares, [config.experts_per_token], axis=-1)
    best = graph.op("Div", best, graph.op("ReduceSum", best, [-1], keepdims=1))
    nothing = graph.op("Mul", shares, 0.0)
    shares = graph.op("ScatterElements", nothing, chosen, best, axis=-1)
    inner = graph.op(
        "MatMul", rows, graph.weight(f"{path}/up/kernel")
    )  # [E, tokens, f]
    inner = _inside(graph, inner, config)
    outer = graph.op("MatMul", inner, graph.weight(f"{path}/down/kernel"))
    shares = graph.op("Transpose", shares, perm=[1, 0])
    outer = graph.op("Mul", outer, graph.op("Unsqueeze", shares, [2]))
    mixed = graph.op("ReduceSum", outer, [0], keepdims=0)
    return graph.op("Reshape", mixed, graph.op("Shape", x))


def heads_of(graph: Graph, x: str, size: int, *heads: int) -> list[str]:
    """[batch, length, all heads * size] -> [batch, heads, length, size] of each part of
    so many heads."""
    parts = [x]
    if len(heads) > 1:
        parts = graph.ops(
            "Split", len(heads), x, [count * size for count in heads], axis=-1
        )
    split = [
        graph.op("Reshape", part, [0, 0, count, size])
        for part, count in zip(parts, heads, strict=True)
    ]
    return [graph.op("Transpose", part, perm=[0, 2, 1, 3]) for part in split]


def attended(
    graph: Graph,
    query: str,
    cached: Cached,
    bias: str | None,
    config: TransformerConfig,
) -> str:
    """softmax(query key^T + bias) value with grouped heads; see `kernels.attention`.

    Args:
        query: [batch, heads, queries, size], scaled already.
        cached: keys and values.
        bias: broadcast to [batch, heads, queries, keys].

    Returns:
        [batch, queries, heads * size].
    """
    h, g, size = config.num_heads, config.key_value_heads, config.width_of_head
    keys = graph.op("Transpose", cached.keys, perm=[0, 1, 3, 2])
    if g != h:  # heads that share keys are rows of one product
        query = graph.op("Reshape", query, [0, g, -1, size])
    scores = graph.op("MatMul", query, keys)
    if g != h:
        scores = graph.op("Reshape", scores, [0, h, -1, 0])
    if bias is not None:
        scores = graph.op("Add", scores, bias)
    weights = graph.op("Softmax", scores, axis=-1)
    if g != h:
        weights = graph.op("Reshape", weights, [0, g, -1, 0])
    mixed = graph.op("MatMul", weights, cached.values)
    if g != h:
        mixed = graph.op("Reshape", mixed, [0, h, -1, size])
    mixed = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.op("Reshape", mixed, [0, 0, h * size])


def scaled(graph: Graph, query: str, config: TransformerConfig) -> str:
    """Queries times the scale of the scores."""
    scale = config.attention_scale
    scale = config.width_of_head**-0.5 if scale is None else scale
    return query if scale == 1.0 else graph.op("Mul", query, scale)


def rotated(graph: Graph, x: str, angles: tuple[str, str], size: int, half: int) -> str:
    """`layers.positions.rotate`: pairs (i, i + half) of [batch, heads, length, size]
    turned by angles [batch, 1, length, half]."""
    cosine, sine = angles
    sizes = [half, half, size - 2 * half]
    if not sizes[2]:
        sizes.pop()
    left, right, *rest = graph.ops("Split", len(sizes), x, sizes, axis=-1)
    first = graph.op("Sub", graph.op("Mul", left, cosine), graph.op("Mul", right, sine))
    second = graph.op(
        "Add", graph.op("Mul", right, cosine), graph.op("Mul", left, sine)
    )
    return graph.op("Concat", first, second, *rest, axis=-1)


def embedded(
    graph: Graph,
    ids: str,
    positions: str,
    path: str,
    config: TransformerConfig,
    segments: str | None = None,
) -> str:
    """`layers.Embeddings` of token ids int64 [batch, length] at some positions, int64
    [batch or 1, length]; `segments` are those of the texts (None: all the first)."""
    x = graph.op("Gather", graph.weight("tokens/embeddings"), ids)
    if config.embedding_scale:
        x = graph.op("Mul", x, config.width_of_embedding**0.5)
    if config.position == "learned":
        table = graph.weight(f"{path}/positions/embeddings")
        places = positions
        if config.position_offset:
            places = graph.op("Add", positions, config.position_offset)
        x = graph.op("Add", x, graph.op("Gather", table, places))
    if config.position == "sinusoidal":
        x = graph.op("Add", x, _sinusoidal(graph, positions, config.width_of_embedding))
    if config.segment_types:
        table = graph.weight(f"{path}/segments/embeddings")
        rows = graph.op("Gather", table, [[0]] if segments is None else segments)
        x = graph.op("Add", x, rows)
    if config.embedding_norm:
        x = normalized(graph, x, f"{path}/norm", config)
    if config.embedding_size:
        x = dense(graph, x, f"{path}/projection")
    return x


def _sinusoidal(graph: Graph, positions: str, size: int) -> str:
    """`layers.positions.sinusoidal`."""
    half = size // 2
    rates = np.exp(-math.log(10000.0) * np.arange(half) / half)
    places = graph.op("Unsqueeze", graph.cast(positions, np.float32), [2])
    angles = graph.op("Mul", places, rates)
    waves = graph.op("Sin", angles), graph.op("Cos", angles)
    return graph.op("Concat", *waves, axis=-1)

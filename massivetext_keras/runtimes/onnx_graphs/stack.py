"""The blocks of a stack in operations of ONNX, as of `layers.block`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.runtimes.onnx_graphs.graph import Graph
from massivetext_keras.runtimes.onnx_graphs.layers import (
    Cached,
    attended,
    dense,
    feed_forward,
    heads_of,
    normalized,
    rotated,
    scaled,
)


class Shared(NamedTuple):
    """What all blocks of a stack are given.

    Attributes:
        bias: see `masks.score_bias`.
        angles: see `masks.rotary`.
        memory_bias: [batch, 1, 1, keys], of the second sequence.
    """

    bias: str | None
    angles: tuple[str, str] | None = None
    memory_bias: str | None = None


def stack(
    graph: Graph,
    x: str,
    path: str,
    config: TransformerConfig,
    shared: Shared,
    layers: int,
    past: Sequence[Cached] = (),
    memory: Sequence[Cached] = (),
) -> tuple[str, list[Cached]]:
    """Hidden states [batch, length, d] through all blocks and the last norm.

    Args:
        path: of the weights of the stack.
        layers: how many blocks.
        past: keys and values of earlier calls, of each block; () if there are none.
        memory: those of the second sequence, of each block; () if there is none.

    Returns:
        The same, and the keys and values of each block, earlier ones included.
    """
    present = []
    for i in range(layers):
        own = f"{path}/block_{0 if config.shared_layers else i}"
        with graph.scope(f"{path}/block_{i}"):
            before = past[i] if past else None
            second = memory[i] if memory else None
            x, cached = _block(graph, x, own, config, shared, before, second)
        present.append(cached)
    if config.norm_position == "pre":
        x = normalized(graph, x, f"{path}/final_norm", config)
    return x, present


def _block(
    graph: Graph,
    x: str,
    path: str,
    config: TransformerConfig,
    shared: Shared,
    past: Cached | None,
    memory: Cached | None,
) -> tuple[str, Cached]:
    pre = config.norm_position == "pre"

    def read(x: str, part: str) -> str:
        return normalized(graph, x, f"{path}/{part}_norm", config) if pre else x

    def join(x: str, y: str, part: str) -> str:
        if config.rezero:
            y = graph.op("Mul", y, graph.weight(f"{path}/{part}_gate"))
        x = graph.op("Add", x, y)
        return x if pre else normalized(graph, x, f"{path}/{part}_norm", config)

    entered = x
    y, cached = _attention(
        graph, read(x, "attention"), f"{path}/attention", config, shared, past
    )
    x = join(x, y, "attention")
    if memory is not None:
        part = f"{path}/cross_attention"
        query = dense(graph, read(x, "cross_attention"), f"{part}/query")
        (query,) = heads_of(graph, query, config.width_of_head, config.num_heads)
        query = scaled(graph, query, config)
        y = attended(graph, query, memory, shared.memory_bias, config)
        x = join(x, dense(graph, y, f"{part}/output"), "cross_attention")
    inner = read(entered if config.parallel else x, "feed_forward")
    y = feed_forward(graph, inner, f"{path}/feed_forward", config)
    return join(x, y, "feed_forward"), cached


def _attention(
    graph: Graph,
    x: str,
    path: str,
    config: TransformerConfig,
    shared: Shared,
    past: Cached | None,
) -> tuple[str, Cached]:
    """Self-attention, and all keys and values that it looked at."""
    size, groups = config.width_of_head, config.key_value_heads
    query, key, value = heads_of(
        graph, dense(graph, x, f"{path}/qkv"), size, config.num_heads, groups, groups
    )
    if shared.angles is not None:
        half = config.rotary_size // 2
        query = rotated(graph, query, shared.angles, size, half)
        key = rotated(graph, key, shared.angles, size, half)
    if past is not None:
        key = graph.op("Concat", past.keys, key, axis=2)
        value = graph.op("Concat", past.values, value, axis=2)
    cached = Cached(key, value)
    mixed = attended(graph, scaled(graph, query, config), cached, shared.bias, config)
    return dense(graph, mixed, f"{path}/output"), cached


def memory_of(
    graph: Graph, hidden: str, path: str, config: TransformerConfig
) -> list[Cached]:
    """Keys and values of a second sequence [batch, keys, d], for each decoder block.

    Args:
        path: of the weights of the decoder's stack.
    """
    found, size, groups = [], config.width_of_head, config.key_value_heads
    for i in range(config.decoder_layers):
        own = f"{path}/block_{0 if config.shared_layers else i}/cross_attention"
        both = dense(graph, hidden, f"{own}/key_value")
        found.append(Cached(*heads_of(graph, both, size, groups, groups)))
    return found

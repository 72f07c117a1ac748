"""Whole models as graphs of ONNX: an encoder, a decoder with a cache, or a pair."""

from __future__ import annotations

from typing import Any

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.runtimes.onnx_graphs import masks
from massivetext_keras.runtimes.onnx_graphs.graph import Graph, Shape
from massivetext_keras.runtimes.onnx_graphs.heads import outputs_of
from massivetext_keras.runtimes.onnx_graphs.layers import Cached, embedded
from massivetext_keras.runtimes.onnx_graphs.stack import Shared, memory_of, stack
from massivetext_keras.runtimes.portable import Portable

MODEL, ENCODER, DECODER = "model.onnx", "encoder_model.onnx", "decoder_model.onnx"
_INTEGER = np.int64


def models_of(task: Portable) -> dict[str, Any]:
    """The graphs of a task, as `ModelProto`s by the name of their file.

    Inputs and outputs have the names that programs around onnxruntime know:
    `input_ids`, `attention_mask` and `token_type_ids`, int64; `past_key_values.0.key`
    and `present.0.key`, float32 [batch, key_value_heads, length, head_size].

    Raises:
        ValueError: there is no graph for a trait of the task.
    """
    if task.config.stack == "encoder":
        return {MODEL: _encoder(task)}
    if task.config.stack == "encoder_decoder":
        return {ENCODER: _memory(task), DECODER: _decoder(task)}
    return {MODEL: _decoder(task)}


def _encoder(task: Portable) -> Any:
    graph, config = Graph(task.weights), task.config
    ids = graph.input("input_ids", _INTEGER, ["batch", "length"])
    mask = graph.input("attention_mask", _INTEGER, ["batch", "length"])
    segments = None
    if config.segment_types > 1:
        segments = graph.input("token_type_ids", _INTEGER, ["batch", "length"])
    hidden = _bidirectional(graph, task, ids, mask, segments, "embeddings", "stack")
    for name, (x, shape) in outputs_of(graph, hidden, mask, task).items():
        graph.output(name, x, shape)
    return graph.model(task.task)


def _bidirectional(
    graph: Graph,
    task: Portable,
    ids: str,
    mask: str,
    segments: str | None,
    embeddings: str,
    path: str,
) -> str:
    """Hidden states [batch, length, d] of tokens that all see each other.

    Args:
        embeddings, path: of the weights.
    """
    config = task.config
    places = masks.rows_between(graph, 0, graph.size(ids, 1))
    positions = graph.op("Unsqueeze", places, [0])
    if config.stack == "encoder" and config.position_offset:
        positions = masks.counted(graph, mask)
    with graph.scope("embeddings"):
        x = embedded(graph, ids, positions, embeddings, config, segments)
    relative = f"{path}/relative/table" if config.position == "relative" else None
    bias = masks.score_bias(graph, config, places, places, mask, relative, causal=False)
    shared = Shared(bias, masks.rotary(graph, config, positions))
    return stack(graph, x, path, config, shared, config.num_layers)[0]


def _memory(task: Portable) -> Any:
    """The encoder of a pair: its states, and the keys and values that each block of the
    decoder makes of them, which do not change while it writes."""
    graph, config = Graph(task.weights), task.config
    ids = graph.input("input_ids", _INTEGER, ["batch", "length"])
    mask = graph.input("attention_mask", _INTEGER, ["batch", "length"])
    hidden = _bidirectional(
        graph, task, ids, mask, None, "encoder_embeddings", "encoder"
    )
    shape: Shape = ["batch", "length", config.hidden_size]
    graph.output("last_hidden_state", hidden, shape)
    memory = memory_of(graph, hidden, "decoder", config)
    _give_cache(graph, "memory", memory, config, "length")
    return graph.model(f"{task.task} encoder")


def _decoder(task: Portable) -> Any:
    graph, config = Graph(task.weights), task.config
    crossed = config.stack == "encoder_decoder"
    ids = graph.input("input_ids", _INTEGER, ["batch", "length"])
    mask = graph.input("attention_mask", _INTEGER, ["batch", "total_length"])
    memory, memory_bias = [], None
    if crossed:
        shape = ["batch", "memory_length"]
        seen = graph.input("encoder_attention_mask", _INTEGER, shape)
        memory_bias = masks.padding_bias(graph, seen)
        memory = _take_cache(graph, "memory", config, "memory_length")
    past = _take_cache(graph, "past_key_values", config, "past_length")
    length, total = graph.size(ids, 1), graph.size(mask, 1)
    first = graph.op("Sub", total, length)
    keys = masks.rows_between(graph, 0, total)
    queries = masks.rows_between(graph, first, total)
    positions = graph.op("Gather", masks.counted(graph, mask), queries, axis=1)
    embeddings, path = (
        ("decoder_embeddings", "decoder")
        if crossed
        else (
            "embeddings",
            "stack",
        )
    )
    with graph.scope("embeddings"):
        x = embedded(graph, ids, positions, embeddings, config)
    relative = f"{path}/relative/table" if config.position == "relative" else None
    bias = masks.score_bias(
        graph, config, queries, keys, mask, relative, causal=True, past=first
    )
    shared = Shared(bias, masks.rotary(graph, config, positions), memory_bias)
    blocks = writing_blocks(config)
    hidden, present = stack(graph, x, path, config, shared, blocks, past, memory)
    for name, output in outputs_of(graph, hidden, mask, task).items():
        graph.output(name, *output)
    _give_cache(graph, "present", present, config, "total_length")
    return graph.model(task.task)


def writing_blocks(config: TransformerConfig) -> int:
    """How many blocks of a model have keys and values that a cache holds."""
    crossed = config.stack == "encoder_decoder"
    return config.decoder_layers if crossed else config.num_layers


def _cache_shape(config, length: str) -> list:
    return ["batch", config.key_value_heads, length, config.width_of_head]


def _take_cache(graph: Graph, name: str, config, length: str) -> list[Cached]:
    """Inputs for the keys and values of every block."""
    shape = _cache_shape(config, length)
    return [
        Cached(
            *(
                graph.input(f"{name}.{i}.{part}", np.float32, shape)
                for part in ("key", "value")
            )
        )
        for i in range(writing_blocks(config))
    ]


def _give_cache(graph: Graph, name: str, cached, config, length: str) -> None:
    """Outputs of the keys and values of every block."""
    shape = _cache_shape(config, length)
    for i, (keys, values) in enumerate(cached):
        graph.output(f"{name}.{i}.key", keys, shape)
        graph.output(f"{name}.{i}.value", values, shape)

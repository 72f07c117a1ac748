"""What tasks make of hidden states, in operations of ONNX, by kinds of heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from massivetext_keras.runtimes.onnx_graphs.graph import Graph, Shape
from massivetext_keras.runtimes.onnx_graphs.layers import activated, dense, normalized
from massivetext_keras.runtimes.portable import Head, Portable, cannot_hold

# name -> the tensor and its shape
Outputs = dict[str, tuple[str, Shape]]
_TOKENS = ["batch", "length"]
_LEAST = float(np.finfo(np.float32).min)


def outputs_of(graph: Graph, hidden: str, mask: str, task: Portable) -> Outputs:
    """What a task gives of hidden states [batch, length, d].

    Args:
        mask: int64 [batch, length], 0 at padding.

    Raises:
        ValueError: there is no graph for its head.
    """
    head = task.head
    if head.kind not in HEADS:
        raise cannot_hold("onnx", task.task, f"a head of the kind {head.kind!r}")
    with graph.scope("head"):
        return HEADS[head.kind](graph, hidden, mask, task)


def logits(graph: Graph, hidden: str, task: Portable, bias: str | None = None) -> str:
    """`Backbone.logits`: hidden states [batch, length, e] -> [batch, length, words].

    Args:
        bias: path of the bias of a head (None: the model's own, if it has one).
    """
    config = task.config
    if config.logit_scale != 1.0:
        hidden = graph.op("Mul", hidden, config.logit_scale)
    owner = "tokens" if config.tied_embeddings else "output"
    if bias is None and config.logit_bias:
        bias = "logit_bias"
    # Not a transposed copy: the table may be the half of the model.
    rows = graph.op("Reshape", hidden, [-1, config.width_of_embedding])
    more = [] if bias is None else [graph.weight(bias)]
    table = graph.weight(f"{owner}/embeddings")
    scores = graph.op("Gemm", rows, table, *more, transB=1)
    shape = graph.op("Slice", graph.op("Shape", hidden), [0], [2])
    shape = graph.op("Concat", shape, [config.vocabulary_size], axis=0)
    return graph.op("Reshape", scores, shape)


def _words(task: Portable) -> Shape:
    return [*_TOKENS, task.config.vocabulary_size]


def _language_model(graph, hidden, mask, task) -> Outputs:
    return {"logits": (logits(graph, hidden, task), _words(task))}


def _masked_lm(graph, hidden, mask, task) -> Outputs:
    own = task.config.replace(**task.head.settings.get("fields", {}))
    hidden = dense(graph, hidden, "head/transform")
    hidden = activated(graph, hidden, own.activation)
    hidden = normalized(graph, hidden, "head/norm", own)
    return {"logits": (logits(graph, hidden, task, "head/bias"), _words(task))}


def _discriminator(graph, hidden, mask, task) -> Outputs:
    hidden = dense(graph, hidden, "head/transform")
    hidden = activated(graph, hidden, task.config.activation)
    scores = graph.op("Squeeze", dense(graph, hidden, "head/score"), [2])
    return {"logits": (scores, _TOKENS)}


def _tokens(graph, hidden, mask, task) -> Outputs:
    if task.head.settings["crf"]:
        raise cannot_hold("onnx", task.task, "crf=True, a chain of tags")
    tags = len(graph.value("head/bias"))
    return {"logits": (dense(graph, hidden, "head"), [*_TOKENS, tags])}


def _spans(graph, hidden, mask, task) -> Outputs:
    both = dense(graph, hidden, "head/spans")
    parts = graph.ops("Split", 2, both, axis=-1, num_outputs=2)
    names = "start_logits", "end_logits"
    return {
        name: (graph.op("Squeeze", part, [2]), _TOKENS)
        for name, part in zip(names, parts, strict=True)
    }


def _classification(graph, hidden, mask, task) -> Outputs:
    head = task.head.settings["head"]
    if head not in _READINGS:
        raise cannot_hold(
            "onnx",
            task.task,
            f"head={head!r}",
            f'give it one of {", ".join(_READINGS)}, or format="savedmodel" holds it',
        )
    vector = _READINGS[head](graph, hidden, mask, task)
    scores = dense(graph, vector, "head/classes")
    shape: Shape = ["batch", len(graph.value("head/classes/bias"))]
    found = {"logits": (scores, shape)}
    scores = graph.op("Div", scores, task.head.settings["temperature"])
    kind = task.head.settings["scores"]
    if kind == "softmax":
        scores = graph.op("Softmax", scores, axis=-1)
    elif kind == "sigmoid":
        scores = graph.op("Sigmoid", scores)
    return {**found, "scores": (scores, shape)}


def _first(graph: Graph, hidden: str) -> str:
    return graph.op("Gather", hidden, 0, axis=1)


def _pooled(function: str) -> Callable[..., str]:
    def pooled(graph, hidden, mask, task):
        path = "pooler" if function == "tanh" and task.config.pooler else None
        vector = dense(graph, _first(graph, hidden), path or "head/transform")
        if function == "tanh":
            return graph.op("Tanh", vector)
        return activated(graph, vector, function)

    return pooled


def _real(graph: Graph, mask: str) -> str:
    """Masks as float32 [batch, length, 1]."""
    return graph.op("Unsqueeze", graph.cast(mask, np.float32), [2])


def _sums(graph: Graph, hidden: str, weights: str) -> tuple[str, str]:
    """Sums of weighted states [batch, d]; of weights, [batch, 1], 1 or more."""
    total = graph.op("ReduceSum", graph.op("Mul", hidden, weights), [1], keepdims=0)
    count = graph.op("ReduceSum", weights, [1], keepdims=0)
    return total, graph.op("Max", count, 1.0)


def _mean(graph, hidden, mask, task) -> str:
    return graph.op("Div", *_sums(graph, hidden, _real(graph, mask)))


def _largest(graph, hidden, mask, least: float) -> str:
    seen = graph.op("Unsqueeze", graph.cast(mask, np.bool_), [2])
    values = graph.op("Where", seen, hidden, least)
    return graph.op("ReduceMax", values, [1], keepdims=0)


def _any(graph: Graph, mask: str) -> str:
    """Whether rows have a real token, float32 [batch, 1]."""
    return graph.cast(graph.op("ReduceMax", mask, [1], keepdims=1), np.float32)


def _max(graph, hidden, mask, task) -> str:
    largest = _largest(graph, hidden, mask, _LEAST)
    some = graph.cast(_any(graph, mask), np.bool_)
    return graph.op("Where", some, largest, 0.0)


def _last_state(graph, hidden, mask, task) -> str:
    """The state of the last real token; 0 of a row without any."""
    seen = graph.cast(mask, np.float32)
    behind = graph.op("CumSum", seen, np.array(1), exclusive=1, reverse=1)
    last = graph.cast(graph.op("Equal", behind, 0.0), np.float32)
    weights = graph.op("Unsqueeze", graph.op("Mul", seen, last), [2])
    return _sums(graph, hidden, weights)[0]


def _convolution(graph, hidden, mask, task) -> str:
    """Products with windows of neighbours as convolutions, the largest of each."""
    real = _real(graph, mask)
    states = graph.op("Transpose", graph.op("Mul", hidden, real), perm=[0, 2, 1])
    real = graph.op("Transpose", real, perm=[0, 2, 1])
    found = []
    for n in task.head.settings["widths"]:
        kernel = graph.value(f"head/width_{n}/kernel")
        kernel = kernel.reshape(n, task.config.hidden_size, -1).transpose(2, 1, 0)
        kernel = graph.array(f"head/width_{n}/windows", kernel)
        bias, edges = graph.weight(f"head/width_{n}/bias"), [n - 1, n - 1]
        values = graph.op("Relu", graph.op("Conv", states, kernel, bias, pads=edges))
        ones = np.ones([1, 1, n], np.float32)
        some = graph.op("Greater", graph.op("Conv", real, ones, pads=edges), 0.0)
        values = graph.op("Mul", values, graph.cast(some, np.float32))
        found.append(graph.op("ReduceMax", values, [2], keepdims=0))
    return graph.op("Concat", *found, axis=-1)


_READINGS: Mapping[str, Callable[..., str]] = {
    "pooled": _pooled("tanh"),
    "pooled_relu": _pooled("relu"),
    "pooled_gelu": _pooled("gelu"),
    "mean": _mean,
    "max": _max,
    "ends": _last_state,
    "convolution": _convolution,
}


def _mean_sqrt_length(graph, hidden, mask, task) -> str:
    total, count = _sums(graph, hidden, _real(graph, mask))
    return graph.op("Div", total, graph.op("Sqrt", count))


def _weighted_mean(graph, hidden, mask, task) -> str:
    real = _real(graph, mask)
    places = graph.op("CumSum", real, np.array(1))
    return graph.op("Div", *_sums(graph, hidden, graph.op("Mul", real, places)))


_POOLINGS: Mapping[str, Callable[..., str]] = {
    "mean": _mean,
    "cls": lambda graph, hidden, mask, task: _first(graph, hidden),
    "max": lambda graph, hidden, mask, task: _largest(graph, hidden, mask, -1e9),
    "mean_sqrt_length": _mean_sqrt_length,
    "weighted_mean": _weighted_mean,
    "last": _last_state,
}


def _embedding(graph, hidden, mask, task) -> Outputs:
    poolings = task.head.settings["poolings"]
    vectors = [_POOLINGS[name](graph, hidden, mask, task) for name in poolings]
    vector = vectors[0]
    if len(vectors) > 1:
        vector = graph.op("Concat", *vectors, axis=-1)
    if task.head.settings["unit_length"]:
        squares = graph.op("ReduceSum", graph.op("Mul", vector, vector), [1])
        root = graph.op("Sqrt", graph.op("Max", squares, 1e-12))
        vector = graph.op("Div", vector, root)
    width = task.config.hidden_size
    return {
        "last_hidden_state": (hidden, [*_TOKENS, width]),
        "sentence_embedding": (vector, ["batch", width * len(vectors)]),
    }


HEADS: Mapping[str, Callable[..., Outputs]] = {
    "language_model": _language_model,
    "masked_lm": _masked_lm,
    "discriminator": _discriminator,
    "tokens": _tokens,
    "spans": _spans,
    "classification": _classification,
    "embedding": _embedding,
}


def as_the_task_gives(head: Head, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of the outputs of a graph, what the task's own `call` gives."""
    if head.kind == "spans":
        return np.stack([outputs["start_logits"], outputs["end_logits"]], axis=-1)
    return outputs["sentence_embedding" if head.kind == "embedding" else "logits"]

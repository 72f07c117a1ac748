"""Every weight of a model by its path, from the config alone.

It counts the weights of a model that nobody has built, and tells what to look for in a
file. The last axis of a shape lists the parts that other libraries keep as tensors of
their own: of `qkv` the queries, keys and values, of a gated `up` the activated half and
the other one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from massivetext_keras.support.values import Config

# (7, (4, 2, 2)): 7 rows, and 8 columns in three parts
Sizes = tuple[Any, ...]
Layout = dict[str, Sizes]


def layout(config: Config) -> Layout:
    """The weights of a model with its output layer.

    Args:
        config: a `TransformerConfig`.

    >>> from massivetext_keras.configs import TransformerConfig
    >>> config = TransformerConfig(num_heads=12, num_key_value_heads=4)
    >>> layout(config)["stack/block_0/attention/qkv/kernel"]
    (768, (768, 256, 256))
    """
    words, ends = config.vocabulary_size, _embeddings(config)
    tree: dict[str, Any] = {"tokens": _embedding(words, config.width_of_embedding)}
    if config.stack == "encoder_decoder":
        tree |= {
            "encoder_embeddings": ends,
            "decoder_embeddings": ends,
            "encoder": _stack(config, config.num_layers),
            "decoder": _stack(config, config.decoder_layers, cross=True),
        }
    else:
        tree |= {"embeddings": ends, "stack": _stack(config, config.num_layers)}
    if config.pooler:
        tree["pooler"] = _dense(config.hidden_size, config.hidden_size)
    if not config.tied_embeddings:
        tree["output"] = _embedding(words, config.width_of_embedding)
    if config.logit_bias:
        tree["logit_bias"] = ((words,),)
    return _flat(tree)


def head_layout(config: Config, head: str, classes: int = 2) -> Layout:
    """The weights of a head that a task puts on an encoder.

    Args:
        config: the shape of the encoder.
        head: "masked_lm" (Devlin et al., 2019), "pretraining" (the same and the scores
            of whether a second segment follows the first), "discriminator" (a score
            per token of having been replaced; Clark et al., 2020), "classification" (of
            what the pooler gives), "dense_classification" (with a product before it),
            "token_classification" (of each token) or "question_answering" (of each
            token, to begin and to end an answer).
        classes: of a classification.
    """
    d, e = config.hidden_size, config.width_of_embedding
    if head == "token_classification":
        return _flat({"head": _dense(d, classes)})
    if head.endswith("classification"):
        tree = {"classes": _dense(d, classes)}
        if head == "dense_classification":
            tree["transform"] = _dense(d, d)
        return _flat({"head": tree})
    if head == "discriminator":
        return _flat({"head": {"transform": _dense(d, d), "score": _dense(d, 1)}})
    if head == "question_answering":
        return _flat({"head": {"spans": _dense(d, 2)}})
    tree = {
        "transform": _dense(d, e),
        "norm": _norm(config, e),
        "bias": ((config.vocabulary_size,),),
    }
    if head == "pretraining":
        tree["next_sentence"] = _dense(d, 2)
    return _flat({"head": tree})


def count(weights: Layout) -> int:
    """How many numbers there are.

    >>> count({"bias": ((3,),), "kernel": (7, (4, 2, 2)), "gate": ()})
    60
    """
    total = 0
    for sizes in weights.values():
        *rows, columns = sizes or (1, (1,))
        total += math.prod(rows) * sum(columns)
    return total


def _embeddings(config: Config) -> dict[str, Any]:
    """What is added to token embeddings and done to the sum."""
    e, tree = config.width_of_embedding, {}
    if config.position == "learned":
        rows = config.max_length + config.position_offset
        tree["positions"] = _embedding(rows, e)
    if config.segment_types:
        tree["segments"] = _embedding(config.segment_types, e)
    if config.embedding_norm:
        tree["norm"] = _norm(config, e)
    if config.embedding_size:
        tree["projection"] = _dense(e, config.hidden_size)
    return tree


def _stack(config: Config, count: int, cross: bool = False):
    block = _block(config, cross)
    tree = {f"block_{i}": block for i in range(1 if config.shared_layers else count)}
    if config.norm_position == "pre":
        tree["final_norm"] = _norm(config, config.hidden_size)
    if config.position == "relative":
        tree["relative"] = {"table": (config.relative_buckets, (config.num_heads,))}
    return tree


def _block(config: Config, cross: bool) -> dict[str, Any]:
    d, norm = config.hidden_size, _norm(config, config.hidden_size)
    q = config.num_heads * config.width_of_head
    kv = config.key_value_heads * config.width_of_head
    output = _dense(q, d, bias=config.output_bias)
    tree = {
        "attention": {
            "qkv": _dense(d, q, kv, kv, bias=config.qkv_bias),
            "output": output,
        },
        "attention_norm": norm,
        "feed_forward": _feed_forward(config),
        "feed_forward_norm": norm,
    }
    if cross:
        tree["cross_attention_norm"] = norm
        tree["cross_attention"] = {
            "query": _dense(d, q, bias=config.qkv_bias),
            "key_value": _dense(d, kv, kv, bias=config.qkv_bias),
            "output": output,
        }
    if config.rezero:
        gates = [part for part in tree if part.endswith("_norm")]
        tree |= {part.replace("_norm", "_gate"): () for part in gates}
    return tree


def _feed_forward(config: Config) -> dict[str, Any]:
    d, f = config.hidden_size, config.intermediate_size
    inside = (f, f) if config.gated else (f,)
    if experts := config.num_experts:
        return {
            "router": {"kernel": (d, (experts,))},
            "up": {"kernel": (experts, d, inside)},
            "down": {"kernel": (experts, f, (d,))},
        }
    bias = config.feed_forward_bias
    return {"up": _dense(d, *inside, bias=bias), "down": _dense(f, d, bias=bias)}


def _dense(inputs: int, *outputs: int, bias: bool = True) -> Layout:
    return {"kernel": (inputs, outputs)} | ({"bias": (outputs,)} if bias else {})


def _norm(config: Config, size: int) -> Layout:
    names = ("gain", "offset") if config.norm == "layer_norm" else ("gain",)
    return {name: ((size,),) for name in names}


def _embedding(rows: int, columns: int) -> Layout:
    return {"embeddings": (rows, (columns,))}


def _flat(tree: Mapping[str, Any], path: str = "") -> Layout:
    flat: Layout = {}
    for name, inner in tree.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{path}{name}/")
        else:
            flat[path + name] = inner
    return flat

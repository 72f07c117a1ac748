"""Hugging Face's `gpt2` (Radford et al., 2019)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.interop.family import (
    ACTIVATIONS,
    Family,
    Rule,
    Table,
    dense,
    known,
    require,
    value_of,
)

_ONLY = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}


def _read(values: Mapping[str, Any]) -> TransformerConfig:
    require(values, _ONLY)
    get = functools.partial(value_of, values)
    dropout, hidden_size = get("resid_pdrop", 0.1), get("n_embd", 768)
    attention_dropout = get("attn_pdrop", 0.1)
    return TransformerConfig(
        vocabulary_size=get("vocab_size", 50257),
        num_layers=get("n_layer", 12),
        hidden_size=hidden_size,
        num_heads=get("n_head", 12),
        intermediate_size=get("n_inner", 4 * hidden_size),
        max_length=get("n_positions", 1024),
        dropout=dropout,
        attention_dropout=None if attention_dropout == dropout else attention_dropout,
        activation=known(
            "activation_function", get("activation_function", "gelu_new"), ACTIVATIONS
        ),
        norm_epsilon=get("layer_norm_epsilon", 1e-5),
        tied_embeddings=get("tie_word_embeddings", True),
    )


def _table(config: TransformerConfig, prefix: str) -> Table:
    d, f = config.hidden_size, config.intermediate_size
    # their Conv1D is [in, out], as ours
    layer = functools.partial(dense, bias=True, transposed=False)
    table = {
        "tokens/embeddings": Rule({f"{prefix}wte.weight": (config.vocabulary_size, d)}),
        "embeddings/positions/embeddings": Rule({f"{prefix}wpe.weight": (config.max_length, d)}),
    }
    for i in range(config.num_layers):
        ours, theirs = f"stack/block_{i}", f"{prefix}h.{i}"
        table |= _norm(f"{ours}/attention_norm", f"{theirs}.ln_1", d)
        table |= layer(f"{ours}/attention/qkv", d, {f"{theirs}.attn.c_attn": 3 * d})
        table |= layer(f"{ours}/attention/output", d, {f"{theirs}.attn.c_proj": d})
        table |= _norm(f"{ours}/feed_forward_norm", f"{theirs}.ln_2", d)
        table |= layer(f"{ours}/feed_forward/up", d, {f"{theirs}.mlp.c_fc": f})
        table |= layer(f"{ours}/feed_forward/down", f, {f"{theirs}.mlp.c_proj": d})
    return table | _norm("stack/final_norm", f"{prefix}ln_f", d)


def _norm(ours: str, theirs: str, size: int) -> Table:
    return {
        f"{ours}/gain": Rule({f"{theirs}.weight": (size,)}),
        f"{ours}/offset": Rule({f"{theirs}.bias": (size,)}),
    }


FAMILY = Family(
    _read,
    _table,
    prefix="transformer.",
    embedding="wte.weight",
    buffers=r".*\.attn\.(bias|masked_bias)",  # the causal mask
)

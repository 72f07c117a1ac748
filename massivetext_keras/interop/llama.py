"""Hugging Face's `llama` (Touvron et al., 2023; Grattafiori et al., 2024)."""

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
    unsupported,
    value_of,
)

# Numbers of each rule that stretches rotary wavelengths.
_ROPE_TYPES = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
}


def _read(values: Mapping[str, Any]) -> TransformerConfig:
    get = functools.partial(value_of, values)
    hidden_size, heads = get("hidden_size", 4096), get("num_attention_heads", 32)
    groups, head_size = get("num_key_value_heads", heads), get("head_dim", None)
    if head_size and head_size * heads == hidden_size:
        head_size = None
    theta, scaling = _rope(values)
    bias = get("attention_bias", False)
    return TransformerConfig(
        vocabulary_size=get("vocab_size", 32000),
        num_layers=get("num_hidden_layers", 32),
        hidden_size=hidden_size,
        num_heads=heads,
        num_key_value_heads=None if groups == heads else groups,
        head_size=head_size,
        intermediate_size=get("intermediate_size", 11008),
        max_length=get("max_position_embeddings", 2048),
        attention_dropout=get("attention_dropout", 0.0) or None,
        activation=known("hidden_act", get("hidden_act", "silu"), ACTIVATIONS),
        gated=True,
        norm="rms_norm",
        norm_epsilon=get("rms_norm_eps", 1e-6),
        position="rotary",
        rope_theta=theta,
        rope_scaling=scaling,
        qkv_bias=bias,
        output_bias=bias,
        feed_forward_bias=get("mlp_bias", False),
        tied_embeddings=get("tie_word_embeddings", False),
    )


def _rope(values: Mapping[str, Any]) -> tuple[float, dict | None]:
    """Base and rule, from `rope_parameters` or the older two fields."""
    field = "rope_scaling" if values.get("rope_scaling") else "rope_parameters"
    rope = values.get(field) or {}
    require({**values, **rope}, {"partial_rotary_factor": 1.0})
    theta = value_of(rope, "rope_theta", value_of(values, "rope_theta", 10000.0))
    name = "rope_type" if "rope_type" in rope else "type"
    kind = value_of(rope, name, "default")
    numbers = known(f"{field}.{name}", kind, _ROPE_TYPES)
    for number in numbers:
        if type(rope.get(number)) not in (int, float):
            raise unsupported(f"{field}.{number}", rope.get(number), "a number")
    scaling = {"rope_type": kind, **{n: float(rope[n]) for n in numbers}}
    if kind == "llama3":
        original = "original_max_position_embeddings"
        longest = value_of(values, "max_position_embeddings", 2048)
        longest = value_of(rope, original, longest)
        scaling[original] = value_of(values, original, longest)
    return theta, scaling if numbers else None


def _table(config: TransformerConfig, prefix: str) -> Table:
    d, f = config.hidden_size, config.intermediate_size
    q = config.num_heads * config.width_of_head
    kv = config.key_value_heads * config.width_of_head
    words = (config.vocabulary_size, d)
    layer = functools.partial(dense, transposed=True)
    table = {"tokens/embeddings": Rule({f"{prefix}embed_tokens.weight": words})}
    for i in range(config.num_layers):
        ours, theirs = f"stack/block_{i}", f"{prefix}layers.{i}"
        attention, mlp = f"{theirs}.self_attn", f"{theirs}.mlp"
        projections = {
            f"{attention}.q_proj": q,
            f"{attention}.k_proj": kv,
            f"{attention}.v_proj": kv,
        }
        gated = {f"{mlp}.gate_proj": f, f"{mlp}.up_proj": f}
        output, down = {f"{attention}.o_proj": d}, {f"{mlp}.down_proj": d}
        table |= _norm(f"{ours}/attention_norm", f"{theirs}.input_layernorm", d)
        table |= layer(f"{ours}/attention/qkv", d, projections, bias=config.qkv_bias)
        table |= layer(f"{ours}/attention/output", q, output, bias=config.output_bias)
        after = f"{theirs}.post_attention_layernorm"
        table |= _norm(f"{ours}/feed_forward_norm", after, d)
        bias = config.feed_forward_bias
        table |= layer(f"{ours}/feed_forward/up", d, gated, bias=bias)
        table |= layer(f"{ours}/feed_forward/down", f, down, bias=bias)
    return table | _norm("stack/final_norm", f"{prefix}norm", d)


def _norm(ours: str, theirs: str, size: int) -> Table:
    return {f"{ours}/gain": Rule({f"{theirs}.weight": (size,)})}


FAMILY = Family(
    _read,
    _table,
    prefix="model.",
    embedding="embed_tokens.weight",
    buffers=r".*\brotary_emb\.inv_freq",
)

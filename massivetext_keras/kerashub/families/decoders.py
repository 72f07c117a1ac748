"""KerasHub's causal language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import (
    blocks,
    number,
    unsupported,
)
from massivetext_keras.kerashub.families.encoders import BERT, LAYER
from massivetext_keras.kerashub.families.family import Backbone

# Radford et al., 2019
GPT2 = Backbone(
    base=transformer("gpt2_small"),
    fields={k: v for k, v in BERT.fields.items() if k != "segment_types"},
    names={
        "tokens": "reversible_embedding",
        "embeddings/positions": "position_embedding",
        "stack/final_norm": "layer_normalization",
        **blocks("stack", "transformer_decoder{i}", LAYER),
    },
    architecture="GPT2",
)

# Black et al., 2022; its gelu is the tanh formula there, and its output layer tied
GPT_NEOX = Backbone(
    base=transformer("gpt_neox_20b").replace(
        activation="gelu_tanh", tied_embeddings=True
    ),
    fields={
        **GPT2.fields,
        "rotary_fraction": "rotary_percentage",
        "rope_theta": "rotary_max_wavelength",
        "norm_epsilon": "layer_norm_epsilon",
    },
    names={
        "tokens": "reversible_embedding",
        "stack/final_norm": "layer_normalization",
        **blocks(
            "stack",
            "gpt_neo_x_decoder{i}",
            {
                **LAYER,
                "attention/qkv": "_self_attention_layer._qkv_dense",
                "attention/output": "_self_attention_layer._output_dense",
            },
        ),
    },
    architecture="GPTNeoX",
    interleaved=True,
)

_LLAMA3 = {
    "factor": "rope_frequency_adjustment_factor",
    "low_freq_factor": "rope_low_freq_factor",
    "high_freq_factor": "rope_high_freq_factor",
    "original_max_position_embeddings": "rope_pretraining_sequence_length",
}
_LINEAR = "rope_scaling_factor"


def _linear(values: Mapping[str, Any], field: str = _LINEAR) -> dict[str, Any]:
    """Positions are divided by a number."""
    factor = number(values, field, 1.0)
    scaling = {"rope_type": "linear", "factor": float(factor)}
    return {"rope_scaling": scaling if factor != 1.0 else None}


def _linear_values(config: TransformerConfig, field: str = _LINEAR) -> dict[str, Any]:
    scaling = config.rope_scaling or {}
    linear = scaling.get("rope_type") == "linear"
    return {field: scaling["factor"] if linear else 1.0}


def _llama_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    scaling = _linear(values, "rope_position_scaling_factor")
    there = {ours: values.get(theirs) for ours, theirs in _LLAMA3.items()}
    if any(value is not None for value in there.values()):
        for ours, theirs in _LLAMA3.items():
            if type(there[ours]) not in (int, float):
                raise unsupported(theirs, there[ours], "a number")
        if scaling["rope_scaling"]:
            field = "rope_position_scaling_factor"
            raise unsupported(field, values[field], 1.0)
        scaling = {"rope_scaling": {"rope_type": "llama3", **there}}
    return {**scaling, "tied_embeddings": bool(values.get("tie_word_embeddings"))}


def _llama_values(config: TransformerConfig) -> dict[str, Any]:
    scaling = config.rope_scaling or {}
    if scaling.get("rope_type") != "llama3":
        scaling = {}
    return {
        **_linear_values(config, "rope_position_scaling_factor"),
        **{theirs: scaling.get(ours) for ours, theirs in _LLAMA3.items()},
        # which KerasHub takes, and does not write
        "tie_word_embeddings": config.tied_embeddings,
    }


def _llama_layer(**names: str) -> dict[str, Any]:
    """A block; of products in attention with a line before their names, or without."""
    line = names.pop("line", "_")
    attention = f"_self_attention_layer.{line}"
    return {
        "attention_norm": "_self_attention_layernorm",
        "attention/qkv": tuple(
            f"{attention}{part}_dense" for part in ("query", "key", "value")
        ),
        "attention/output": f"{attention}output_dense",
        "feed_forward_norm": "_feedforward_layernorm",
        "feed_forward/up": (
            "_feedforward_gate_dense",
            "_feedforward_intermediate_dense",
        ),
        "feed_forward/down": "_feedforward_output_dense",
        **names,
    }


def _llama_names(name: str, norm: str, **more: str) -> dict[str, Any]:
    return {
        "tokens": "reversible_embedding",
        "output/embeddings": "reversible_embedding.vars.1",
        "stack/final_norm": norm,
        **blocks("stack", f"{name}_transformer_decoder{{i}}", _llama_layer(**more)),
    }


# Touvron et al., 2023; Grattafiori et al., 2024
LLAMA = Backbone(
    base=transformer("llama2_7b").replace(norm_epsilon=1e-6),
    fields={
        "vocabulary_size": "vocabulary_size",
        "num_layers": "num_layers",
        "hidden_size": "hidden_dim",
        "num_heads": "num_query_heads",
        "num_key_value_heads": "num_key_value_heads",
        "intermediate_size": "intermediate_dim",
        "rope_theta": "rope_max_wavelength",
        "norm_epsilon": "layer_norm_epsilon",
        "attention_dropout": "dropout",
    },
    names=_llama_names("llama", "llama_layer_norm"),
    architecture="Llama",
    extra_fields=_llama_fields,
    extra_values=_llama_values,
    optional=("max_length", "tied_embeddings"),
)
LLAMA3 = LLAMA._replace(
    base=transformer("llama3_8b").replace(norm_epsilon=1e-6), architecture="Llama3"
)

# Jiang et al., 2023
MISTRAL = LLAMA._replace(
    base=transformer("mistral_7b").replace(norm_epsilon=1e-6),
    fields={**LLAMA.fields, "window": "sliding_window", "head_size": "head_dim"},
    names=_llama_names("mistral", "mistral_layer_normalization"),
    architecture="Mistral",
    extra_fields=_linear,
    extra_values=_linear_values,
    optional=("max_length",),
)

# Jiang et al., 2024
MIXTRAL = MISTRAL._replace(
    base=transformer("mixtral_8x7b").replace(norm_epsilon=1e-6),
    fields={
        **LLAMA.fields,
        "window": "sliding_window",
        "num_experts": "num_experts",
        "experts_per_token": "top_k",
        "expert_loss": "router_aux_loss_coef",
    },
    names={
        **_llama_names("mixtral", "mixtral_layer_normalization", line=""),
        **blocks(
            "stack",
            "mixtral_transformer_decoder{i}._sparse_moe_block",
            {
                "feed_forward/router": "_sparse_feedforward_gate_dense",
                "feed_forward/up/kernel": (
                    "expert_bank.vars.0",
                    "expert_bank.vars.1",
                ),
                "feed_forward/down/kernel": "expert_bank.vars.2",
            },
        ),
    },
    architecture="Mixtral",
    only={"router_jitter_noise": 0.0},
)


def _qwen_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    window = number(values, "sliding_window_size", 32768)
    used = values.get("use_sliding_window_attention")
    return {**_linear(values), "window": window if used else None}


# Yang et al., 2024
QWEN = LLAMA._replace(
    base=transformer("qwen2_7b").replace(norm_epsilon=1e-6),
    fields={**LLAMA.fields, "tied_embeddings": "tie_word_embeddings"},
    names=_llama_names("qwen", "qwen_layer_norm"),
    architecture="Qwen",
    extra_fields=_qwen_fields,
    extra_values=lambda config: {
        **_linear_values(config),
        "use_sliding_window_attention": config.window is not None,
        "sliding_window_size": config.window or config.max_length,
    },
    optional=("max_length",),
)

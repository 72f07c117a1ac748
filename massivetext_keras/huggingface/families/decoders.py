"""Hugging Face's causal language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import (
    Family,
    blocks,
    known,
    number,
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
_ORIGINAL = "original_max_position_embeddings"


def _rope(values: Mapping[str, Any], theta: float) -> dict[str, Any]:
    """Base, rule and share, from `rope_parameters` or the older fields."""
    field = "rope_scaling" if values.get("rope_scaling") else "rope_parameters"
    rope = values.get(field) or {}
    name = "rope_type" if "rope_type" in rope else "type"
    kind = value_of(rope, name, "default")
    numbers = known(f"{field}.{name}", kind, _ROPE_TYPES)
    for name in numbers:
        if type(rope.get(name)) not in (int, float):
            raise unsupported(f"{field}.{name}", rope.get(name), "a number")
    scaling = {"rope_type": kind, **{n: float(rope[n]) for n in numbers}}
    if kind == "llama3":
        longest = value_of(values, "max_position_embeddings", 2048)
        longest = value_of(rope, _ORIGINAL, longest)
        scaling[_ORIGINAL] = value_of(values, _ORIGINAL, longest)
    theta = value_of(rope, "rope_theta", value_of(values, "rope_theta", theta))
    return {"rope_theta": theta, "rope_scaling": scaling if numbers else None}


def _rope_values(config: TransformerConfig) -> dict[str, Any]:
    """The older fields, which all versions of transformers read."""
    return {"rope_theta": config.rope_theta, "rope_scaling": config.rope_scaling}


# Radford et al., 2019
GPT2 = Family(
    base=transformer("gpt2_small"),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "n_layer",
        "hidden_size": "n_embd",
        "num_heads": "n_head",
        "intermediate_size": "n_inner",
        "max_length": "n_positions",
        "dropout": "resid_pdrop",
        "attention_dropout": "attn_pdrop",
        "activation": "activation_function",
        "norm_epsilon": "layer_norm_epsilon",
        "tied_embeddings": "tie_word_embeddings",
    },
    names={
        "tokens": "wte",
        "embeddings/positions": "wpe",
        "stack/final_norm": "ln_f",
        "output": "lm_head",
        **blocks(
            "stack",
            "h.{i}",
            {
                "attention_norm": "ln_1",
                "attention/qkv": "attn.c_attn",
                "attention/output": "attn.c_proj",
                "feed_forward_norm": "ln_2",
                "feed_forward/up": "mlp.c_fc",
                "feed_forward/down": "mlp.c_proj",
            },
        ),
    },
    architecture="GPT2LMHeadModel",
    prefix="transformer.",
    only={
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
    extra_fields=lambda values: {
        "intermediate_size": value_of(
            values, "n_inner", 4 * number(values, "n_embd", 768)
        )
    },
    extra_values=lambda config: {"embd_pdrop": config.dropout},
    buffers=r".*\.attn\.(bias|masked_bias)",  # the causal mask
    transposed=False,  # their Conv1D is [in, out], as ours
)


def _neox_rope(values: Mapping[str, Any]) -> dict[str, Any]:
    share = value_of(values, "rotary_pct", 0.25)
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    return {
        **_rope(values, value_of(values, "rotary_emb_base", 10000.0)),
        "rotary_fraction": value_of(rope, "partial_rotary_factor", share),
    }


# Black et al., 2022
GPT_NEOX = Family(
    base=transformer("gpt_neox_20b").replace(activation="gelu"),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "num_hidden_layers",
        "hidden_size": "hidden_size",
        "num_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_length": "max_position_embeddings",
        "dropout": "hidden_dropout",
        "attention_dropout": "attention_dropout",
        "activation": "hidden_act",
        "norm_epsilon": "layer_norm_eps",
        "parallel": "use_parallel_residual",
        "qkv_bias": "attention_bias",
        "output_bias": "attention_bias",
        "tied_embeddings": "tie_word_embeddings",
    },
    names={
        "tokens": "embed_in",
        "stack/final_norm": "final_layer_norm",
        "output": "embed_out",
        **blocks(
            "stack",
            "layers.{i}",
            {
                "attention_norm": "input_layernorm",
                "attention/qkv": "attention.query_key_value",
                "attention/output": "attention.dense",
                "feed_forward_norm": "post_attention_layernorm",
                "feed_forward/up": "mlp.dense_h_to_4h",
                "feed_forward/down": "mlp.dense_4h_to_h",
            },
        ),
    },
    architecture="GPTNeoXForCausalLM",
    prefix="gpt_neox.",
    only={"is_decoder": False},
    extra_fields=_neox_rope,
    extra_values=lambda config: {
        "rotary_emb_base": config.rope_theta,
        "rotary_pct": config.rotary_fraction,
        "rope_scaling": config.rope_scaling,
    },
    renames=((r"^lm_head\.", "embed_out."),),
    buffers=r".*\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)",
    interleaved=True,
)


def _llama_rope(values: Mapping[str, Any], theta: float = 10000.0) -> dict[str, Any]:
    rope = values.get("rope_scaling") or values.get("rope_parameters") or {}
    require({**values, **rope}, {"partial_rotary_factor": 1.0})
    return _rope(values, theta)


def _llama_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Transformers has no such Llama even where `head_dim` is given."""
    size = number(values, "hidden_size", 4096)
    if size % number(values, "num_attention_heads", 32):
        raise unsupported("hidden_size", size, "a multiple of num_attention_heads")
    return _llama_rope(values)


# Touvron et al., 2023; Grattafiori et al., 2024
LLAMA = Family(
    base=transformer("llama2_7b").replace(max_length=2048, norm_epsilon=1e-6),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "num_hidden_layers",
        "hidden_size": "hidden_size",
        "num_heads": "num_attention_heads",
        "num_key_value_heads": "num_key_value_heads",
        "head_size": "head_dim",
        "intermediate_size": "intermediate_size",
        "max_length": "max_position_embeddings",
        "attention_dropout": "attention_dropout",
        "activation": "hidden_act",
        "norm_epsilon": "rms_norm_eps",
        "qkv_bias": "attention_bias",
        "output_bias": "attention_bias",
        "feed_forward_bias": "mlp_bias",
        "tied_embeddings": "tie_word_embeddings",
    },
    names={
        "tokens": "embed_tokens",
        "stack/final_norm": "norm",
        "output": "lm_head",
        **blocks(
            "stack",
            "layers.{i}",
            {
                "attention_norm": "input_layernorm",
                "attention/qkv": (
                    "self_attn.q_proj",
                    "self_attn.k_proj",
                    "self_attn.v_proj",
                ),
                "attention/output": "self_attn.o_proj",
                "feed_forward_norm": "post_attention_layernorm",
                "feed_forward/up": ("mlp.gate_proj", "mlp.up_proj"),
                "feed_forward/down": "mlp.down_proj",
            },
        ),
    },
    architecture="LlamaForCausalLM",
    prefix="model.",
    extra_fields=_llama_fields,
    extra_values=_rope_values,
    buffers=r".*\brotary_emb\.inv_freq",
)
_BIASES = ("qkv_bias", "output_bias", "feed_forward_bias")
_WITHOUT_BIASES = {k: v for k, v in LLAMA.fields.items() if k not in _BIASES}

# Jiang et al., 2023
MISTRAL = LLAMA._replace(
    base=transformer("mistral_7b").replace(max_length=131072, norm_epsilon=1e-6),
    fields={**_WITHOUT_BIASES, "window": "sliding_window"},
    architecture="MistralForCausalLM",
    extra_fields=_llama_rope,
)


def _qwen2_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    window, types = value_of(values, "sliding_window", 4096), values.get("layer_types")
    if not values.get("use_sliding_window"):
        window = None
    elif types is None:
        first = number(values, "max_window_layers", 28)
        if 0 < first < number(values, "num_hidden_layers", 32):
            raise unsupported("max_window_layers", first, 0)
        window = None if first else window
    elif set(types) == {"full_attention"}:
        window = None
    elif set(types) != {"sliding_attention"}:
        raise unsupported("layer_types", types, "one type for all layers")
    return {**_llama_rope(values), "window": window}


# Yang et al., 2024
QWEN2 = LLAMA._replace(
    base=LLAMA.base.replace(
        vocabulary_size=151936,
        intermediate_size=22016,
        max_length=32768,
        qkv_bias=True,
    ),
    fields=_WITHOUT_BIASES,
    architecture="Qwen2ForCausalLM",
    extra_fields=_qwen2_fields,
    extra_values=lambda config: {
        **_rope_values(config),
        "use_sliding_window": config.window is not None,
        "sliding_window": config.window,
        "max_window_layers": config.num_layers if config.window is None else 0,
    },
)

# Jiang et al., 2024
MIXTRAL = MISTRAL._replace(
    base=transformer("mixtral_8x7b").replace(max_length=131072, expert_loss=0.001),
    fields={
        **MISTRAL.fields,
        "num_experts": "num_local_experts",
        "experts_per_token": "num_experts_per_tok",
        "expert_loss": "router_aux_loss_coef",
    },
    names={
        **LLAMA.names,
        **blocks(
            "stack",
            "layers.{i}.block_sparse_moe",
            {
                "feed_forward/router": "gate",
                "feed_forward/up": ("experts.{e}.w1", "experts.{e}.w3"),
                "feed_forward/down": "experts.{e}.w2",
            },
        ),
    },
    other_names=blocks(  # as transformers 5 has them in memory
        "stack",
        "layers.{i}.block_sparse_moe",
        {
            "feed_forward/up/kernel": "experts.gate_up_proj",
            "feed_forward/down/kernel": "experts.down_proj",
        },
    ),
    architecture="MixtralForCausalLM",
    extra_fields=lambda values: _llama_rope(values, theta=1e6),
    renames=((r"\.mlp\.", ".block_sparse_moe."),),
)

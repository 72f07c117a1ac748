"""Hugging Face's encoder-decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import (
    ACTIVATIONS,
    Family,
    Names,
    blocks,
    known,
    number,
    require,
    theirs_of,
    unsupported,
    value_of,
)

_SIDES = ("encoder", "decoder")


def _one_vocabulary(values: Mapping[str, Any]) -> dict[str, Any]:
    words = value_of(values, "vocab_size", None)
    require(values, {"decoder_vocab_size": words} if words else {})
    return {}


def _bart_names() -> Names:
    layer: Names = {
        "attention/qkv": tuple(f"self_attn.{part}_proj" for part in "qkv"),
        "attention/output": "self_attn.out_proj",
        "attention_norm": "self_attn_layer_norm",
        "cross_attention/query": "encoder_attn.q_proj",
        "cross_attention/key_value": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
        "cross_attention/output": "encoder_attn.out_proj",
        "cross_attention_norm": "encoder_attn_layer_norm",
        "feed_forward/up": "fc1",
        "feed_forward/down": "fc2",
        "feed_forward_norm": "final_layer_norm",
    }
    names: dict[str, str | tuple[str, ...]] = {
        "tokens": "shared",
        "output": "lm_head",
        "logit_bias": "final_logits_bias",
    }
    for side in _SIDES:
        names[f"{side}_embeddings/positions"] = f"{side}.embed_positions"
        names[f"{side}_embeddings/norm"] = f"{side}.layernorm_embedding"
        names |= blocks(side, f"{side}.layers.{{i}}", layer)
    return names


# Lewis et al., 2020
BART = Family(
    base=transformer("bart_large").replace(num_decoder_layers=12),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "encoder_layers",
        "num_decoder_layers": "decoder_layers",
        "hidden_size": "d_model",
        "num_heads": ("encoder_attention_heads", "decoder_attention_heads"),
        "intermediate_size": ("encoder_ffn_dim", "decoder_ffn_dim"),
        "max_length": "max_position_embeddings",
        "dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "activation": "activation_function",
        "embedding_scale": "scale_embedding",
    },
    names=_bart_names(),
    architecture="BartForConditionalGeneration",
    prefix="model.",
    only={"tie_word_embeddings": True, "share_encoder_decoder_embeddings": True},
    extra_fields=_one_vocabulary,
    optional=("logit_bias",),
    renames=((r"^(model\.)?(encoder|decoder)\.embed_tokens\.", r"\1shared."),),
    buffers=r"(.*\.)?(encoder|decoder)\.version",
)

# Junczys-Dowmunt et al., 2018; its sinusoidal positions may lie in the file
MARIAN = BART._replace(
    base=transformer("opus_mt_en_de").replace(
        num_layers=12,
        num_decoder_layers=12,
        hidden_size=1024,
        num_heads=16,
        intermediate_size=4096,
        max_length=1024,
        activation="gelu",
        embedding_scale=False,
        logit_bias=False,
    ),
    architecture="MarianMTModel",
    buffers=r"(.*\.)?(encoder|decoder)\.embed_positions\.weight",
)


def _t5_names(config: TransformerConfig) -> Names:
    names: dict[str, Any] = {"tokens": "shared", "output": "lm_head"}
    for side, last in zip(_SIDES, (1, 2), strict=True):
        up = f"layer.{last}.DenseReluDense.wi"
        first, cross = "layer.0.SelfAttention", "layer.1.EncDecAttention"
        layer: Names = {
            "attention/qkv": tuple(f"{first}.{part}" for part in "qkv"),
            "attention/output": f"{first}.o",
            "attention_norm": "layer.0.layer_norm",
            "cross_attention/query": f"{cross}.q",
            "cross_attention/key_value": (f"{cross}.k", f"{cross}.v"),
            "cross_attention/output": f"{cross}.o",
            "cross_attention_norm": "layer.1.layer_norm",
            "feed_forward/up": (f"{up}_0", f"{up}_1") if config.gated else up,
            "feed_forward/down": f"layer.{last}.DenseReluDense.wo",
            "feed_forward_norm": f"layer.{last}.layer_norm",
        }
        names |= blocks(side, f"{side}.block.{{i}}", layer)
        names[f"{side}/relative"] = f"{side}.block.0.{first}.relative_attention_bias"
        names[f"{side}/final_norm"] = f"{side}.final_layer_norm"
    return names


def _feed_forward(values: Mapping[str, Any], default: str) -> dict[str, Any]:
    """From "relu", "gated-silu" and the like; "gated-gelu" is its tanh formula."""
    kind = value_of(values, "feed_forward_proj", default)
    if not isinstance(kind, str):
        raise unsupported("feed_forward_proj", kind, "relu", "gated-gelu")
    name = "gelu_new" if kind == "gated-gelu" else kind.removeprefix("gated-")
    name = value_of(values, "dense_act_fn", name)
    return {
        "gated": kind.startswith("gated-"),
        "activation": known("feed_forward_proj", name, ACTIVATIONS),
    }


def _t5_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    # transformers 4 has no such field and scales where embeddings are tied
    tied = values.get("tie_word_embeddings") is not False
    scaled = value_of(values, "scale_decoder_outputs", tied)
    size = number(values, "d_model", 512)
    scale = size**-0.5 if scaled else 1.0
    return {**_feed_forward(values, "relu"), "logit_scale": scale}


def _t5_values(config: TransformerConfig) -> dict[str, Any]:
    name = theirs_of(config.activation)
    if config.gated:
        name = "gated-gelu" if name == "gelu_new" else f"gated-{name}"
    return {
        "feed_forward_proj": name,
        "scale_decoder_outputs": config.logit_scale != 1.0,
        "tie_word_embeddings": config.tied_embeddings,
    }


# Raffel et al., 2020; the output layer of version 1.1 is known by its tensor
T5 = Family(
    base=transformer("t5_small"),
    fields={
        "vocabulary_size": "vocab_size",
        "num_layers": "num_layers",
        "num_decoder_layers": "num_decoder_layers",
        "hidden_size": "d_model",
        "num_heads": "num_heads",
        "head_size": "d_kv",
        "intermediate_size": "d_ff",
        "max_length": "n_positions",
        "dropout": "dropout_rate",
        "norm_epsilon": "layer_norm_epsilon",
        "relative_buckets": "relative_attention_num_buckets",
        "relative_max_distance": "relative_attention_max_distance",
    },
    names={},
    extra_names=_t5_names,
    architecture="T5ForConditionalGeneration",
    only={"is_encoder_decoder": True},
    extra_fields=_t5_fields,
    extra_values=_t5_values,
    optional=("tied_embeddings",),
    renames=((r"^(encoder|decoder)\.embed_tokens\.", "shared."),),
    buffers=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias.*",
    packed=False,  # their classes look for `weight` when a model is made
)

# Xue et al., 2021
MT5 = T5._replace(
    base=transformer("mt5_small").replace(tied_embeddings=True),
    architecture="MT5ForConditionalGeneration",
    extra_fields=lambda values: _feed_forward(values, "gated-gelu"),
)

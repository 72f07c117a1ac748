"""KerasHub's encoder-decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import transformer
from massivetext_keras.huggingface.families.family import (
    Names,
    blocks,
    number,
    unsupported,
)
from massivetext_keras.kerashub.families.decoders import GPT2
from massivetext_keras.kerashub.families.encoders import LAYER
from massivetext_keras.kerashub.families.family import Backbone

_CROSS = "_cross_attention_layer"

# Lewis et al., 2020; without the rows of positions that no token has
BART = Backbone(
    base=transformer("bart_base").replace(position_offset=0),
    fields=GPT2.fields,
    names={
        "tokens": "reversible_embedding",
        "encoder_embeddings/positions": "position_embedding",
        "encoder_embeddings/norm": "layer_normalization",
        "decoder_embeddings/positions": "position_embedding_1",
        "decoder_embeddings/norm": "layer_normalization_1",
        **blocks("encoder", "transformer_encoder{i}", LAYER),
        **blocks(
            "decoder",
            "transformer_decoder{i}",
            {
                **LAYER,
                "cross_attention/query": f"{_CROSS}.query_dense",
                "cross_attention/key_value": (
                    f"{_CROSS}.key_dense",
                    f"{_CROSS}.value_dense",
                ),
                "cross_attention/output": f"{_CROSS}.output_dense",
                "cross_attention_norm": "_cross_attention_layer_norm",
            },
        ),
    },
    architecture="Bart",
)

# A function that Keras has no name for is an object of its own.
_GELU_TANH = {
    "module": "builtins",
    "class_name": "function",
    "config": "keras_hub>gelu_approximate",
    "registered_name": "function",
}
_ACTIVATIONS: dict[str, Any] = {
    "relu": "relu",
    "gelu": "gelu",
    "silu": "silu",
    "gelu_tanh": _GELU_TANH,
}


def _activation(value: Any) -> str:
    """Ours of one of Keras; a function of KerasHub is known by the end of its name."""
    if isinstance(value, dict) and isinstance(value.get("config"), str):
        value = value["config"].rpartition(">")[2]
    for ours, theirs in (*_ACTIVATIONS.items(), ("gelu_tanh", "gelu_approximate")):
        if value == theirs:
            return ours
    raise unsupported("activation", value, *_ACTIVATIONS)


def _t5_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    size = number(values, "hidden_dim", 512)
    tied = values.get("tie_embedding_weights") is not False
    return {
        "activation": _activation(values.get("activation", "relu")),
        "logit_scale": size**-0.5 if tied else 1.0,
    }


def _t5_names(config: TransformerConfig) -> Names:
    up = "input_projector"
    layer: Names = {
        "attention/qkv": tuple(
            f"self_attention.{x}_projector" for x in ("query", "key", "value")
        ),
        "attention/output": "self_attention.output_projector",
        "attention_norm": "self_attention_layer_norm",
        "cross_attention/query": "cross_attention.query_projector",
        "cross_attention/key_value": (
            "cross_attention.key_projector",
            "cross_attention.value_projector",
        ),
        "cross_attention/output": "cross_attention.output_projector",
        "cross_attention_norm": "cross_attention_layer_norm",
        "feed_forward/up": (up, "gate_projector") if config.gated else up,
        "feed_forward/down": "output_projector",
        "feed_forward_norm": "layer_norm",
    }
    names: dict[str, str | tuple[str, ...]] = {
        "tokens": "reversible_embedding",
        "output/embeddings": "reversible_embedding.vars.1",
    }
    for side, place, count in (("encoder", "{i}", ""), ("decoder", "{j}", "_1")):
        names |= blocks(side, f"t5_transformer_layer{place}", layer)
        names[f"{side}/relative"] = f"t5_transformer_layer{place}.self_attention"
        names[f"{side}/final_norm"] = f"t5_layer_norm{count}"
    return names


# Raffel et al., 2020
T5 = Backbone(
    base=transformer("t5_small"),
    fields={
        "vocabulary_size": "vocabulary_size",
        "num_layers": "num_layers",
        "hidden_size": "hidden_dim",
        "num_heads": "num_heads",
        "head_size": "key_value_dim",
        "intermediate_size": "intermediate_dim",
        "dropout": "dropout",
        "gated": "use_gated_activation",
        "norm_epsilon": "layer_norm_epsilon",
        "tied_embeddings": "tie_embedding_weights",
    },
    names={},
    extra_names=_t5_names,
    architecture="T5",
    extra_fields=_t5_fields,
    extra_values=lambda config: {"activation": _ACTIVATIONS[config.activation]},
    optional=("max_length",),
)

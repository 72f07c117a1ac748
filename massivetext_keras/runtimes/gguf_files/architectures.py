"""Architectures of llama.cpp: the family of Hugging Face that each of them is a form
of, the values of its config, and where its tensors differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.families.decoders import GPT2, LLAMA, QWEN2
from massivetext_keras.huggingface.families.family import Family, canonical
from massivetext_keras.huggingface.rules import Table
from massivetext_keras.layers.positions import rotary_frequencies

# What llama.cpp divides rotary angles by, of each pair of features: a tensor.
FACTORS = "rope_freqs.weight"
# Llama 3's numbers, of which a file has only what they make of frequencies.
_LLAMA3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


class Architecture(NamedTuple):
    """One `general.architecture`.

    Attributes:
        family: how its weights are named at Hugging Face, and what it can hold.
        names: parts of names there -> those of llama.cpp, {i} for the block.
        only: fields of ours that llama.cpp knows one value of.
        epsilon: key of the number in a norm.
        rotary: whether positions turn queries and keys.
        interleaved: whether llama.cpp turns neighbours, (2i, 2i + 1), where the family
            turns halves: rows of queries and keys change places.
    """

    family: Family
    names: Mapping[str, str]
    only: Mapping[str, Any]
    epsilon: str = "attention.layer_norm_rms_epsilon"
    rotary: bool = True
    interleaved: bool = False


_LLAMA_NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "lm_head": "output",
    "layers.{i}.input_layernorm": "blk.{i}.attn_norm",
    "layers.{i}.self_attn.q_proj": "blk.{i}.attn_q",
    "layers.{i}.self_attn.k_proj": "blk.{i}.attn_k",
    "layers.{i}.self_attn.v_proj": "blk.{i}.attn_v",
    "layers.{i}.self_attn.o_proj": "blk.{i}.attn_output",
    "layers.{i}.post_attention_layernorm": "blk.{i}.ffn_norm",
    "layers.{i}.mlp.gate_proj": "blk.{i}.ffn_gate",
    "layers.{i}.mlp.up_proj": "blk.{i}.ffn_up",
    "layers.{i}.mlp.down_proj": "blk.{i}.ffn_down",
}
_GPT2_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "lm_head": "output",
    "h.{i}.ln_1": "blk.{i}.attn_norm",
    "h.{i}.attn.c_attn": "blk.{i}.attn_qkv",
    "h.{i}.attn.c_proj": "blk.{i}.attn_output",
    "h.{i}.ln_2": "blk.{i}.ffn_norm",
    "h.{i}.mlp.c_fc": "blk.{i}.ffn_up",
    "h.{i}.mlp.c_proj": "blk.{i}.ffn_down",
}
# The first that can hold a model is what it is written as.
ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(
        LLAMA,
        _LLAMA_NAMES,
        {"activation": "silu", "window": None},
        interleaved=True,
    ),
    "qwen2": Architecture(QWEN2, _LLAMA_NAMES, {"activation": "silu", "window": None}),
    "gpt2": Architecture(
        GPT2,
        _GPT2_NAMES,
        {"activation": "gelu_tanh"},
        "attention.layer_norm_epsilon",
        rotary=False,
    ),
}


def architecture_of(config: TransformerConfig) -> str:
    """The name of the first architecture that can hold a model.

    Raises:
        ValueError: none can; names what the nearest one has otherwise.
    """
    lacks = {name: _differences(config, name) for name in ARCHITECTURES}
    for name, differences in lacks.items():
        if not differences:
            return name
    name = min(lacks, key=lambda name: len(lacks[name]))
    raise ValueError(f"the nearest, {name}, has {', '.join(lacks[name])}")


def _differences(config: TransformerConfig, name: str) -> list[str]:
    own = ARCHITECTURES[name]
    found = own.family.differences(config)
    said = {difference.partition("=")[0] for difference in found}
    return found + [
        f"{field}={value!r} instead of {getattr(config, field)!r}"
        for field, value in own.only.items()
        if getattr(config, field) != value and field not in said
    ]


def table_of(config: TransformerConfig, name: str) -> Table:
    """The table of names of a model, theirs those of llama.cpp."""
    own = ARCHITECTURES[name]
    table = own.family.table(config, "")
    return {
        ours: rule._replace(
            parts={_renamed(own, theirs): x for theirs, x in rule.parts.items()}
        )
        for ours, rule in table.items()
    }


def _renamed(own: Architecture, theirs: str) -> str:
    """A name of Hugging Face as llama.cpp has it."""
    layer, _, kind = theirs.rpartition(".")
    block = re.search(r"\d+", layer)
    key = re.sub(r"\d+", "{i}", layer, count=1)
    return f"{own.names[key].format(i=block and block[0])}.{kind}"


def as_stored(name: str, part: str, array: np.ndarray, config) -> np.ndarray:
    """A tensor of the family as llama.cpp stores it.

    Args:
        name: of the architecture.
        part: its name there.
        array: as `Rule.split` gives it.
        config: shape of the model.
    """
    return _turned(name, part, array, config, (2, config.width_of_head // 2))


def as_read(name: str, part: str, array: np.ndarray, config) -> np.ndarray:
    """The inverse of `as_stored`."""
    return _turned(name, part, array, config, (config.width_of_head // 2, 2))


def _turned(
    name: str, part: str, array: np.ndarray, config, sizes: tuple[int, int]
) -> np.ndarray:
    """A tensor whose rows and columns, or the rows of whose heads, change places: of
    `sizes`, the rows of a head are a table that is transposed."""
    own = ARCHITECTURES[name]
    if not own.family.transposed and array.ndim == 2 and part.startswith("blk."):
        return array.T
    heads = _turned_heads(own, part, config)
    if heads is None:
        return array
    tables = array.reshape(heads, *sizes, *array.shape[1:])
    return tables.swapaxes(1, 2).reshape(array.shape)


def _turned_heads(own: Architecture, part: str, config) -> int | None:
    """How many heads a tensor is of whose rows change places; None if they stay."""
    if not own.interleaved:
        return None
    if ".attn_q." in part:
        return config.num_heads
    return config.key_value_heads if ".attn_k." in part else None


def values_of(config: TransformerConfig, name: str) -> dict[str, Any]:
    """The values of a file's header, by their keys behind the architecture's name."""
    own = ARCHITECTURES[name]
    values: dict[str, Any] = {
        "vocab_size": config.vocabulary_size,
        "context_length": config.max_length,
        "embedding_length": config.hidden_size,
        "block_count": config.num_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_heads,
        own.epsilon: float(config.norm_epsilon),
    }
    if own.rotary:
        size = config.width_of_head
        values |= {
            "attention.head_count_kv": config.key_value_heads,
            "attention.key_length": size,
            "attention.value_length": size,
            "rope.dimension_count": size,
            "rope.freq_base": float(config.rope_theta),
        }
        scaling = config.rope_scaling or {}
        if scaling.get("rope_type") == "linear":
            values |= {
                "rope.scaling.type": "linear",
                "rope.scaling.factor": float(scaling["factor"]),
            }
    return values


def factors_of(config: TransformerConfig) -> np.ndarray | None:
    """What rotary angles are divided by, float32 [pairs], of Llama 3's rule."""
    if (config.rope_scaling or {}).get("rope_type") != "llama3":
        return None
    sizes = config.rotary_size, config.rope_theta
    plain, scaled = (rotary_frequencies(*sizes, x) for x in (None, config.rope_scaling))
    return (plain / scaled).astype(np.float32)


def config_of(
    values: Mapping[str, Any], name: str, shapes: Mapping[str, tuple], factors=None
) -> TransformerConfig:
    """The shape of a model, the inverse of `values_of`.

    Args:
        values: by their keys behind the architecture's name.
        name: of the architecture.
        shapes: of the tensors by name.
        factors: what rotary angles are divided by, float32 [pairs], or None.

    Raises:
        ValueError: a value is missing, or would give other numbers.
    """
    own = ARCHITECTURES[name]
    try:
        fields = {
            "vocabulary_size": shapes["token_embd.weight"][0],
            "max_length": values["context_length"],
            "hidden_size": values["embedding_length"],
            "num_layers": values["block_count"],
            "intermediate_size": values["feed_forward_length"],
            "num_heads": values["attention.head_count"],
            "norm_epsilon": values[own.epsilon],
            "tied_embeddings": "output.weight" not in shapes,
        }
    except KeyError as error:
        raise ValueError(f"{name}.{error.args[0]} is missing") from None
    if own.rotary:
        fields |= _rotary_fields(values, name, fields, factors)
        fields["qkv_bias"] = "blk.0.attn_q.bias" in shapes
        fields["output_bias"] = "blk.0.attn_output.bias" in shapes
        fields["feed_forward_bias"] = "blk.0.ffn_up.bias" in shapes
    return canonical(own.family.base.replace(**fields))


def _rotary_fields(values, name: str, fields, factors) -> dict[str, Any]:
    size = fields["hidden_size"] // fields["num_heads"]
    size = values.get("attention.key_length", size)
    turned = values.get("rope.dimension_count", size)
    if values.get("attention.value_length", size) != size or turned != size:
        raise ValueError(
            f"{name}.attention.key_length={size}, value_length and "
            f"rope.dimension_count={turned} must be equal"
        )
    kind = values.get("rope.scaling.type", "none")
    scaling, theta = None, values.get("rope.freq_base", 10000.0)
    if kind == "linear":
        scaling = {"rope_type": kind, "factor": values["rope.scaling.factor"]}
    elif kind != "none":
        raise ValueError(f"{name}.rope.scaling.type={kind!r} is not none or linear")
    if factors is not None:
        scaling = _LLAMA3 | {"factor": float(np.max(factors))}
        plain = rotary_frequencies(size, theta)
        wanted = plain / rotary_frequencies(size, theta, scaling)
        if not np.allclose(wanted, factors, rtol=1e-3):
            raise ValueError(f"{FACTORS}: the factors are not those of Llama 3's rule")
    return {
        "num_key_value_heads": values.get(
            "attention.head_count_kv", fields["num_heads"]
        ),
        "head_size": size,
        "rope_theta": theta,
        "rope_scaling": scaling,
    }

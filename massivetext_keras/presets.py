"""Named shapes of models: a plain table, its rows varied by `replace`."""

from __future__ import annotations

from massivetext_keras.configs import TransformerConfig, choose

# Radford et al., 2019: pre-norm, learned positions, tanh gelu, tied output.
_gpt2 = TransformerConfig(vocabulary_size=50257, max_length=1024, dropout=0.1)

# Touvron et al., 2023; Grattafiori et al., 2024 (Llama 3): RMSNorm, rotary positions,
# gated silu, grouped key/value heads, no biases.
_llama = TransformerConfig(
    vocabulary_size=128256,
    activation="silu",
    gated=True,
    norm="rms_norm",
    position="rotary",
    rope_theta=500000.0,
    qkv_bias=False,
    output_bias=False,
    feed_forward_bias=False,
    max_length=131072,
)


def _llama3_scaling(factor: float) -> dict:
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


PRESETS: dict[str, TransformerConfig] = {
    "gpt_nano": _gpt2.replace(
        vocabulary_size=4096,
        num_layers=4,
        hidden_size=256,
        num_heads=4,
        intermediate_size=1024,
        max_length=256,
        dropout=0.0,
    ),
    "gpt_mini": _gpt2.replace(
        vocabulary_size=8192,
        num_layers=6,
        hidden_size=320,
        num_heads=5,
        intermediate_size=1280,
        max_length=512,
    ),
    "gpt2_small": _gpt2,
    "gpt2_medium": _gpt2.replace(
        num_layers=24, hidden_size=1024, num_heads=16, intermediate_size=4096
    ),
    "gpt2_large": _gpt2.replace(
        num_layers=36, hidden_size=1280, num_heads=20, intermediate_size=5120
    ),
    "gpt2_xl": _gpt2.replace(
        num_layers=48, hidden_size=1600, num_heads=25, intermediate_size=6400
    ),
    "llama_1b": _llama.replace(
        num_layers=16,
        hidden_size=2048,
        num_heads=32,
        num_key_value_heads=8,
        intermediate_size=8192,
        rope_scaling=_llama3_scaling(32.0),
    ),
    "llama_8b": _llama.replace(
        num_layers=32,
        hidden_size=4096,
        num_heads=32,
        num_key_value_heads=8,
        intermediate_size=14336,
        rope_scaling=_llama3_scaling(8.0),
        tied_embeddings=False,
    ),
}


def preset(name: str) -> TransformerConfig:
    """The config of a preset.

    Raises:
        ValueError: the name is unknown; the message names the nearest one.

    >>> preset("gpt2_small").num_layers
    12
    """
    return choose("preset", name, PRESETS)

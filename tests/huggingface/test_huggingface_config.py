"""`config.json` of Hugging Face: read as transformers reads it, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.huggingface import models as huggingface

KNOWN = ", ".join(huggingface.FAMILIES)


def config_of(tmp_path: Path, **values) -> TransformerConfig:
    (tmp_path / "config.json").write_text(json.dumps(values))
    return huggingface.read_config(tmp_path)


def test_an_empty_gpt2_config_is_gpt2(tmp_path):
    assert config_of(tmp_path, model_type="gpt2") == preset("gpt2_small")


def test_a_published_config_is_the_preset(tmp_path):
    config = config_of(  # of Llama 3.2 1B
        tmp_path,
        architectures=["LlamaForCausalLM"],
        attention_bias=False,
        attention_dropout=0.0,
        head_dim=64,
        hidden_act="silu",
        hidden_size=2048,
        intermediate_size=8192,
        max_position_embeddings=131072,
        mlp_bias=False,
        model_type="llama",
        num_attention_heads=32,
        num_hidden_layers=16,
        num_key_value_heads=8,
        pretraining_tp=1,
        rms_norm_eps=1e-05,
        rope_scaling={
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        rope_theta=500000.0,
        tie_word_embeddings=True,
        vocab_size=128256,
    )
    assert config == preset("llama_1b")


def test_llama_defaults_are_those_of_transformers(tmp_path):
    assert config_of(tmp_path, model_type="llama", rope_scaling=None) == (
        TransformerConfig(
            vocabulary_size=32000,
            num_layers=32,
            hidden_size=4096,
            num_heads=32,
            intermediate_size=11008,
            max_length=2048,
            activation="silu",
            gated=True,
            norm="rms_norm",
            norm_epsilon=1e-6,
            position="rotary",
            qkv_bias=False,
            output_bias=False,
            feed_forward_bias=False,
            tied_embeddings=False,
        )
    )


def test_rope_of_transformers_4_and_5_is_the_same(tmp_path):
    scaling = {"rope_type": "linear", "factor": 2}
    old = config_of(tmp_path, model_type="llama", rope_theta=7000, rope_scaling=scaling)
    new = config_of(
        tmp_path, model_type="llama", rope_parameters={**scaling, "rope_theta": 7000}
    )
    assert old == new
    assert new.rope_theta == 7000.0
    assert new.rope_scaling == {"rope_type": "linear", "factor": 2.0}


def test_llama3_scaling_falls_back_to_the_longest_position(tmp_path):
    scaling = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1}
    scaling["high_freq_factor"] = 4
    values = {"model_type": "llama", "max_position_embeddings": 300}
    config = config_of(tmp_path, **values, rope_parameters=scaling)
    assert config.rope_scaling["original_max_position_embeddings"] == 300


def test_gpt2_dropout_and_activation(tmp_path):
    config = config_of(
        tmp_path,
        model_type="gpt2",
        resid_pdrop=0.3,
        attn_pdrop=0.2,
        activation_function="gelu",
        reorder_and_upcast_attn=True,
    )
    assert (config.dropout, config.attention_dropout_rate) == (0.3, 0.2)
    assert config.activation == "gelu"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model_type": "gpt_neo"},
            f'model_type="gpt_neo" is not supported; known: {KNOWN}',
        ),
        (
            {},
            f"model_type=null is not supported; known: {KNOWN}",
        ),
        (
            {"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 4.0}},
            'rope_scaling.type="yarn" is not supported; '
            'known: "default", "linear", "llama3"',
        ),
        (
            {"model_type": "llama", "rope_parameters": {"rope_type": "dynamic"}},
            'rope_parameters.rope_type="dynamic" is not supported; '
            'known: "default", "linear", "llama3"',
        ),
        (
            {"model_type": "llama", "rope_parameters": {"rope_type": "linear"}},
            'rope_parameters.factor=null is not supported; known: "a number"',
        ),
        (
            {"model_type": "llama", "partial_rotary_factor": 0.5},
            "partial_rotary_factor=0.5 is not supported; known: 1.0",
        ),
        (
            {"model_type": "llama", "hidden_act": "mish"},
            'hidden_act="mish" is not supported; known: "gelu", "gelu_fast", '
            '"gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"',
        ),
        (
            {"model_type": "gpt2", "scale_attn_weights": False},
            "scale_attn_weights=false is not supported; known: true",
        ),
        (
            {"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True},
            "scale_attn_by_inverse_layer_idx=true is not supported; known: false",
        ),
        (
            {"model_type": "gpt2", "add_cross_attention": True},
            "add_cross_attention=true is not supported; known: false",
        ),
        (
            {"model_type": "bert", "is_decoder": True},
            "is_decoder=true is not supported; known: false",
        ),
        (
            {"model_type": "bert", "position_embedding_type": "relative_key"},
            'position_embedding_type="relative_key" is not supported; '
            'known: "absolute"',
        ),
        (
            {"model_type": "electra", "tie_word_embeddings": False},
            "tie_word_embeddings=false is not supported; known: true",
        ),
        (
            {"model_type": "bert", "type_vocab_size": 0},
            'type_vocab_size=0 is not supported; known: "1 or more"',
        ),
        (
            {"model_type": "roberta", "pad_token_id": -1},
            'pad_token_id=-1 is not supported; known: "0 or more"',
        ),
        (
            {"model_type": "roberta", "pad_token_id": "1"},
            'pad_token_id="1" is not supported; known: "a number"',
        ),
        (
            {"model_type": "albert", "num_hidden_groups": 2},
            "num_hidden_groups=2 is not supported; known: 1",
        ),
        (
            {"model_type": "albert", "embedding_size": None},
            'embedding_size=null is not supported; known: "1 or more"',
        ),
        (
            {"model_type": "distilbert", "activation": "tanh"},
            'activation="tanh" is not supported; known: "gelu", "gelu_fast", '
            '"gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"',
        ),
        (
            {"model_type": "gpt_neox", "rotary_pct": 0.5, "hidden_size": 64 * 6},
            "rotary needs an even width, got 3",
        ),
        (
            {"model_type": "qwen2", "use_sliding_window": True},
            "max_window_layers=28 is not supported; known: 0",
        ),
        (
            {
                "model_type": "qwen2",
                "use_sliding_window": True,
                "layer_types": ["full_attention", "sliding_attention"],
            },
            'layer_types=["full_attention", "sliding_attention"] is not supported; '
            'known: "one type for all layers"',
        ),
        (
            {"model_type": "mixtral", "num_experts_per_tok": 9},
            "experts_per_token 9 is more than num_experts 8",
        ),
        (
            {"model_type": "bart", "decoder_ffn_dim": 8, "encoder_ffn_dim": 9},
            "decoder_ffn_dim=8 is not supported; known: 9",
        ),
        (
            {"model_type": "marian", "decoder_attention_heads": 8},
            "decoder_attention_heads=8 is not supported; known: 16",
        ),
        (
            {"model_type": "marian", "vocab_size": 50, "decoder_vocab_size": 60},
            "decoder_vocab_size=60 is not supported; known: 50",
        ),
        (
            {"model_type": "marian", "share_encoder_decoder_embeddings": False},
            "share_encoder_decoder_embeddings=false is not supported; known: true",
        ),
        (
            {"model_type": "t5", "feed_forward_proj": "gated-mish"},
            'feed_forward_proj="mish" is not supported; known: "gelu", "gelu_fast", '
            '"gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"',
        ),
        (
            {"model_type": "t5", "feed_forward_proj": 1},
            'feed_forward_proj=1 is not supported; known: "relu", "gated-gelu"',
        ),
        (
            {"model_type": "t5", "d_model": "512"},
            'd_model="512" is not supported; known: "a number"',
        ),
        (
            {"model_type": "t5", "is_encoder_decoder": False},
            "is_encoder_decoder=false is not supported; known: true",
        ),
        (
            {"model_type": "gpt2", "quantization_config": {"bits": 4}},
            "quantization_config.quant_method=null is not supported; "
            'known: "compressed-tensors"; '
            "give the folder of the model in floats that it was made from",
        ),
        (
            {"model_type": "gpt2", "n_layer": "12"},
            "TransformerConfig.num_layers must be int, got '12' (str)",
        ),
        (
            {"model_type": "llama", "hidden_size": 50, "head_dim": 4},
            "hidden_size=50 is not supported; "
            'known: "a multiple of num_attention_heads"',
        ),
        (
            {"model_type": "llama", "num_key_value_heads": 5},
            "num_heads 32 is not a multiple of num_key_value_heads 5",
        ),
    ],
)
def test_a_config_that_cannot_be_kept_is_refused(tmp_path, values, message):
    with pytest.raises(ValueError) as caught:
        config_of(tmp_path, **values)
    assert str(caught.value) == f"{tmp_path / 'config.json'}: {message}"


@pytest.mark.parametrize(("text", "what"), [("{", "not JSON"), ("[]", "not a JSON")])
def test_a_damaged_config_is_named(tmp_path, text, what):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"config.json: {what}"):
        huggingface.read_config(tmp_path)

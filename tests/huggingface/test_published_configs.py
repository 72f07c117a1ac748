"""`config.json` of published models is our preset of the same name."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.huggingface import models as huggingface
from massivetext_keras.huggingface.families.family import canonical

BERT = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
ROBERTA = {
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "pad_token_id": 1,
    "type_vocab_size": 1,
    "vocab_size": 50265,
}
MISTRAL = {
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}
BART = {
    "activation_function": "gelu",
    "add_bias_logits": False,
    "add_final_layer_norm": False,
    "attention_dropout": 0.1,
    "d_model": 768,
    "decoder_attention_heads": 12,
    "decoder_ffn_dim": 3072,
    "decoder_layers": 6,
    "encoder_attention_heads": 12,
    "encoder_ffn_dim": 3072,
    "encoder_layers": 6,
    "max_position_embeddings": 1024,
    "normalize_before": False,
    "normalize_embedding": True,
    "scale_embedding": False,
    "vocab_size": 50265,
}
MARIAN = {
    "activation_function": "swish",
    "bad_words_ids": [[58100]],
    "d_model": 512,
    "decoder_attention_heads": 8,
    "decoder_ffn_dim": 2048,
    "decoder_start_token_id": 58100,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "max_position_embeddings": 512,
    "normalize_embedding": False,
    "scale_embedding": True,
    "static_position_embeddings": True,
    "vocab_size": 58101,
}
T5 = {
    "d_ff": 2048,
    "d_kv": 64,
    "d_model": 512,
    "decoder_start_token_id": 0,
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06,
    "n_positions": 512,
    "num_heads": 8,
    "num_layers": 6,
    "output_past": True,
    "relative_attention_num_buckets": 32,
    "vocab_size": 32128,
}
FLAN = {
    "d_ff": 1024,
    "feed_forward_proj": "gated-gelu",
    "num_decoder_layers": 8,
    "num_heads": 6,
    "num_layers": 8,
    "relative_attention_max_distance": 128,
    "tie_word_embeddings": False,
}
# preset -> model_type and what else its config.json says
PUBLISHED = {
    "bert_base_uncased": ("bert", BERT),
    "minilm_l6": (
        "bert",
        BERT | {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6},
    ),
    "roberta_base": ("roberta", BERT | ROBERTA),
    "distilbert_base_uncased": (
        "distilbert",
        {
            "activation": "gelu",
            "attention_dropout": 0.1,
            "dim": 768,
            "dropout": 0.1,
            "hidden_dim": 3072,
            "max_position_embeddings": 512,
            "n_heads": 12,
            "n_layers": 6,
            "sinusoidal_pos_embds": False,
            "tie_weights_": True,
            "vocab_size": 30522,
        },
    ),
    "albert_base": (
        "albert",
        BERT
        | {
            "attention_probs_dropout_prob": 0,
            "embedding_size": 128,
            "hidden_act": "gelu_new",
            "hidden_dropout_prob": 0,
            "inner_group_num": 1,
            "num_hidden_groups": 1,
            "vocab_size": 30000,
        },
    ),
    "electra_small_discriminator": (
        "electra",
        BERT
        | {
            "embedding_size": 128,
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_attention_heads": 4,
        },
    ),
    "electra_base_discriminator": ("electra", BERT | {"embedding_size": 768}),
    "pythia_160m": (
        "gpt_neox",
        {
            "hidden_act": "gelu",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 2048,
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "rotary_emb_base": 10000,
            "rotary_pct": 0.25,
            "tie_word_embeddings": False,
            "use_parallel_residual": True,
            "vocab_size": 50304,
        },
    ),
    "mistral_7b": ("mistral", MISTRAL),
    "mixtral_8x7b": (
        "mixtral",
        MISTRAL
        | {
            "num_experts_per_tok": 2,
            "num_local_experts": 8,
            "rope_theta": 1000000.0,
            "router_aux_loss_coef": 0.02,
            "sliding_window": None,
        },
    ),
    "qwen2_0.5b": (
        "qwen2",
        {
            "hidden_act": "silu",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "max_position_embeddings": 32768,
            "max_window_layers": 24,
            "num_attention_heads": 14,
            "num_hidden_layers": 24,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "vocab_size": 151936,
        },
    ),
    "bart_base": ("bart", BART),
    "opus_mt_en_de": ("marian", BART | MARIAN),
    "t5_small": ("t5", T5),
    "flan_t5_small": ("t5", T5 | FLAN),
    "mt5_small": ("mt5", T5 | FLAN | {"vocab_size": 250112}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_is_the_preset(tmp_path, name):
    kind, values = PUBLISHED[name]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **values}))
    read = huggingface.read_config(tmp_path).to_dict()
    wanted = canonical(preset(name)).to_dict()
    training = {"dropout", "attention_dropout", "expert_loss"}
    aside = {*huggingface.FAMILIES[kind].optional, *training}
    for field in wanted.keys() - aside:
        assert read[field] == wanted[field], field

"""Every family at the size of a few thousand weights."""

from __future__ import annotations

import functools

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import PRESETS
from massivetext_keras.models import BERT, GPT, Seq2Seq
from massivetext_keras.models.backbone import Backbone
from tests.tasks.tiny import randomize

TRANSFORMERS = [k for k, x in PRESETS.items() if isinstance(x, TransformerConfig)]
FAMILIES = (
    "gpt2_small",
    "pythia_70m",
    "llama2_70b",
    "mistral_7b",
    "mixtral_8x7b",
    "qwen2_7b",
    "unilm_base",
    "bert_base_uncased",
    "roberta_base",
    "distilbert_base_uncased",
    "albert_base",
    "electra_small_discriminator",
    "transformer_base",
    "bart_base",
    "opus_mt_en_de",
    "t5_small",
    "t5_v1_1_small",
)
DECODERS = [n for n in FAMILIES if PRESETS[n].stack in ("decoder", "prefix")]
ENCODERS = [n for n in FAMILIES if PRESETS[n].stack == "encoder"]
ENCODER_DECODERS = [n for n in FAMILIES if PRESETS[n].stack == "encoder_decoder"]


def shrunk(name: str, **changes) -> TransformerConfig:
    """A preset with all of its traits and none of its size."""
    config = PRESETS[name]
    small = {
        "vocabulary_size": 50,
        "num_layers": 2,
        "hidden_size": 16,
        "num_heads": 4,
        "intermediate_size": 24,
        "max_length": 32,
        "dropout": 0.0,
        "embedding_size": config.embedding_size and 10,
        "num_key_value_heads": config.num_key_value_heads and 2,
        "head_size": config.head_size and 6,
        "rotary_fraction": min(config.rotary_fraction * 2, 1.0),
        "window": config.window and 3,
        "num_experts": config.num_experts and 4,
    }
    return config.replace(**{**small, **changes})


def backbone(name: str, dtype: str = "float32", **changes) -> Backbone:
    """A family's model with weights that all matter."""
    config = shrunk(name, **changes)
    kinds = {"encoder": BERT, "encoder_decoder": Seq2Seq}
    return randomize(kinds.get(config.stack, GPT)(config, dtype=dtype))


@functools.cache
def shared(name: str, dtype: str = "float32") -> Backbone:
    """`backbone`, one for all tests that leave its weights as they are."""
    return backbone(name, dtype)

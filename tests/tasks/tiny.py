"""Models of a few hundred weights, large enough for every part to matter."""

from __future__ import annotations

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.models.gpt import GPT
from massivetext_keras.tasks.language_model.task import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer, WordPieceTokenizer

TINY = TransformerConfig(
    vocabulary_size=50,
    num_layers=2,
    hidden_size=16,
    num_heads=4,
    intermediate_size=24,
    max_length=32,
)


def randomize(model, seed: int = 0, scale: float = 0.4):
    """Replaces all weights by noise, so that no part of the model is near zero."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.dtype == "float32":
            variable.assign(random.normal(0.0, scale, variable.shape))
    return model


def gpt(dtype: str = "float32", seed: int = 0, scale: float = 0.4, **changes) -> GPT:
    return randomize(GPT(TINY.replace(**changes), dtype=dtype), seed, scale)


def byte_lm(
    seed: int = 0, tokenizer=None, dtype: str = "float32", **changes
) -> CausalLM:
    """A task on bytes that writes noise."""
    changes = {"vocabulary_size": 259, "num_layers": 1, "max_length": 64, **changes}
    options = {x: changes.pop(x) for x in CausalLM.options if x in changes}
    config, tokenizer = TINY.replace(**changes), tokenizer or ByteTokenizer()
    lm = CausalLM(config, tokenizer, dtype=dtype, **options)
    randomize(lm.backbone, seed, 1.0)
    return lm


ENCODER = TINY.replace(
    stack="encoder", norm_position="post", embedding_norm=True, segment_types=2
)
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ##s un ##believ ##able ,"


def words() -> WordPieceTokenizer:
    """Sixteen tokens: "unbelievable" is three of them."""
    return WordPieceTokenizer(WORDS.split())


def encoder_task(cls, tokenizer=None, seed: int = 0, scale: float = 0.4, **changes):
    """A task on an encoder of one layer whose weights are noise."""
    changes = {"num_layers": 1, **changes}
    tokenizer = tokenizer or words()
    options = {name: changes.pop(name) for name in cls.options if name in changes}
    dtype = changes.pop("dtype", "float32")
    task = cls(ENCODER.replace(**changes), tokenizer, dtype=dtype, **options)
    return randomize(task, seed, scale)

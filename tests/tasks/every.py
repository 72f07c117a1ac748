"""Every task at the size of a test, with a batch that it learns from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from massivetext_keras.architecture.shapes import preset
from massivetext_keras.tasks import (
    MaskedLM,
    QuestionAnswerer,
    ReplacedTokenDetector,
    Seq2SeqLM,
    TextClassifier,
    TextEmbedder,
    TokenClassifier,
)
from massivetext_keras.tasks.base import Task
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import byte_lm, encoder_task

SEQ2SEQ = preset("transformer_base").replace(
    vocabulary_size=259, num_layers=1, hidden_size=16, num_heads=2, intermediate_size=24
)
TASKS: dict[str, Callable[..., Task]] = {
    "CausalLM": byte_lm,
    "MaskedLM": lambda **changes: encoder_task(
        MaskedLM, **{"pooler": True, "sentences": "next", **changes}
    ),
    "QuestionAnswerer": lambda **changes: encoder_task(QuestionAnswerer, **changes),
    "ReplacedTokenDetector": lambda **changes: encoder_task(
        ReplacedTokenDetector, **changes
    ),
    "Seq2SeqLM": lambda **changes: Seq2SeqLM(
        SEQ2SEQ.replace(**changes), ByteTokenizer(), prefix="say: "
    ),
    "TextClassifier": lambda **changes: encoder_task(
        TextClassifier,
        **{"labels": ("no", "yes"), "class_weights": {"yes": 2.0}} | changes,
    ),
    "TextEmbedder": lambda **changes: encoder_task(TextEmbedder, **changes),
    "TokenClassifier": lambda **changes: encoder_task(
        TokenClassifier, **{"labels": ("PER", "LOC"), "crf": True, **changes}
    ),
}


def one_batch(name: str, seed: int = 0) -> tuple:
    """Features, labels and weights of four rows for a task of `TASKS`."""
    random = np.random.default_rng(seed)
    ids = random.integers(5, 16, [4, 8]).astype("int32")
    mask, weights = np.ones_like(ids), np.ones([4, 8], "float32")
    features = {"token_ids": ids, "padding_mask": mask}
    if name in ("MaskedLM", "ReplacedTokenDetector"):
        places = [1, 3]
        features["masked_positions"] = np.array([places] * 4, "int32")
        features["segment_ids"] = (np.arange(8) > 3).astype("int32") * mask
        features["sentence_labels"] = np.array([0, 1, 0, 1], "int32")
        return features, ids[:, places], weights[:, :2]
    if name == "Seq2SeqLM":
        return {"encoder_token_ids": ids, "decoder_token_ids": ids}, ids, weights
    if name == "TextClassifier":
        return features, np.array([0, 1, 0, 1], "int32"), weights[:, 0]
    if name == "TokenClassifier":
        return features, random.integers(0, 2, [4, 8]).astype("int32"), weights
    if name == "QuestionAnswerer":
        features["segment_ids"] = (np.arange(8) > 1).astype("int32") * mask
        return features, np.array([[3, 4]] * 4, "int32"), weights[:, 0]
    if name == "TextEmbedder":
        pairs = {key: np.stack([x, x], axis=1) for key, x in features.items()}
        return pairs, np.arange(4, dtype="int32"), weights[:, 0]
    return features, ids, weights

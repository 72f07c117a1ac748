"""Keras knows the package's classes as soon as both are imported.

`keras.models.load_model` looks classes up by the names that a file holds. They are put
there as stand-ins, which import the real ones when a file has one of them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from massivetext_keras.support.importing import Execute, around_import

PACKAGE = __name__.partition(".")[0]

CLASSES = {
    "models": (
        "BERT",
        "GPT",
        "Recurrent",
        "RecurrentSeq2Seq",
        "Seq2Seq",
        "WordEncoder",
    ),
    "tasks": (
        "CausalLM",
        "MaskedLM",
        "Preprocessor",
        "QuestionAnswerer",
        "ReplacedTokenDetector",
        "Seq2SeqLM",
        "TextClassifier",
        "TextEmbedder",
        "TokenClassifier",
    ),
    "tokenizers": (
        "BytePairTokenizer",
        "ByteTokenizer",
        "CharacterTokenizer",
        "SentencePieceTokenizer",
        "TranslationTokenizer",
        "WordPieceTokenizer",
        "WordTokenizer",
    ),
    "training": (
        "Adafactor",
        "Adam",
        "AdamW",
        "Lion",
        "Muon",
        "SGD",
        "WarmupDecay",
    ),
}


def introduce() -> None:
    """Registers the classes, now or when Keras is imported."""
    keras = sys.modules.get("keras")
    if keras and hasattr(keras, "saving"):
        _register(keras)
    else:
        around_import(("keras",), _execute_keras)


def _execute_keras(execute: Execute, module: ModuleType) -> None:
    execute(module)
    _register(module)


def _register(keras: ModuleType) -> None:
    known = keras.saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            known.setdefault(f"{PACKAGE}>{name}", _stand_in(module, name))


def _stand_in(module: str, name: str) -> type:
    def from_config(cls, config):
        importlib.import_module(f"{PACKAGE}.{module}")
        known = sys.modules["keras"].saving.get_custom_objects()
        return known[f"{PACKAGE}>{name}"].from_config(config)

    return type(name, (), {"from_config": classmethod(from_config)})

"""Keras knows the package's classes as soon as both are imported.

`keras.models.load_model` looks classes up by the names that a file holds. They are put
there as stand-ins, which import the real ones when a file has one of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.partition(".")[0]

CLASSES = {
    "models": ("BERT", "GPT", "Seq2Seq"),
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
    if hasattr(keras, "saving"):
        _register(keras)
    else:
        sys.meta_path.insert(0, _WhenKerasIsImported())


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


class _WhenKerasIsImported(MetaPathFinder):
    """Finds nothing itself; once Keras is there, it introduces the package."""

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _register(module)

            spec.loader.exec_module = exec_module
        return spec

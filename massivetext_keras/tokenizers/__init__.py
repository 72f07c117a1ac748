"""Tokenizers that run inside the TensorFlow graph."""

import importlib

from massivetext_keras.support.backend import require

require()

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.character import CharacterTokenizer
from massivetext_keras.tokenizers.sentencepiece import SentencePieceTokenizer
from massivetext_keras.tokenizers.training import train
from massivetext_keras.tokenizers.translation import TranslationTokenizer
from massivetext_keras.tokenizers.word import WordTokenizer
from massivetext_keras.tokenizers.wordpiece import WordPieceTokenizer

load = Tokenizer.load

__all__ = [
    "BytePairTokenizer",
    "ByteTokenizer",
    "CharacterTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "TranslationTokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "from_huggingface",
    "huggingface_files",
    "load",
    "train",
]


def __getattr__(name: str):
    # from the floor above, for those who look for them here
    if name in ("from_huggingface", "huggingface_files"):
        return getattr(importlib.import_module("massivetext_keras.huggingface"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Tokenizers that run inside the TensorFlow graph."""

from massivetext_keras.backend import require

require()

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.character import CharacterTokenizer
from massivetext_keras.tokenizers.huggingface import from_huggingface
from massivetext_keras.tokenizers.huggingface_files import huggingface_files
from massivetext_keras.tokenizers.sentencepiece import SentencePieceTokenizer
from massivetext_keras.tokenizers.training import train
from massivetext_keras.tokenizers.translation import TranslationTokenizer
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
    "from_huggingface",
    "huggingface_files",
    "load",
    "train",
]

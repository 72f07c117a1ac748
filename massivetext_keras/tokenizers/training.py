"""A tokenizer from its config and texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from massivetext_keras.experiment import TokenizerConfig
from massivetext_keras.support.values import choose
from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.byte import ByteTokenizer
from massivetext_keras.tokenizers.byte_pair import BytePairTokenizer
from massivetext_keras.tokenizers.sentencepiece import SentencePieceTokenizer
from massivetext_keras.tokenizers.word import WordTokenizer
from massivetext_keras.tokenizers.wordpiece import WordPieceTokenizer

_Trained = (
    SentencePieceTokenizer
    | WordPieceTokenizer
    | BytePairTokenizer
    | WordTokenizer
    | ByteTokenizer
)
KINDS: dict[str, type[_Trained]] = {
    "sentencepiece": SentencePieceTokenizer,
    "wordpiece": WordPieceTokenizer,
    "byte_pair": BytePairTokenizer,
    "words": WordTokenizer,
    "bytes": ByteTokenizer,
}


def train(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Learns a vocabulary.

    Arguments:
        config: the kind and its settings.
        texts: strings.
    Raises:
        ValueError: the kind is unknown, or the texts don't support the vocabulary.

    >>> train(TokenizerConfig(kind="bytes"), ["text"]).vocabulary_size
    259
    """
    cls = choose("kind of tokenizer", config.kind, KINDS)
    options: dict[str, Any] = {}
    if config.kind != "bytes":
        options["vocabulary_size"] = config.vocabulary_size
    if config.kind == "sentencepiece":
        options["model_type"] = config.model_type
    if config.kind == "words":
        options |= {"split": config.split, "spelled": config.spelled}
    return cls.train(texts=texts, **options)

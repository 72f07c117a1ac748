"""Two SentencePiece models over one vocabulary, as Marian's translators have them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import tensorflow as tf

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.parts.offsets import in_characters
from massivetext_keras.tokenizers.parts.rewriting import SPACE
from massivetext_keras.tokenizers.parts.vocabulary import (
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.sentencepiece import graph_tokenizer, parse_model

SOURCE_FILE, TARGET_FILE = "source.spm", "target.spm"
VOCABULARY_FILE = "vocab.json"
FILES = (SOURCE_FILE, TARGET_FILE, VOCABULARY_FILE)

# the language to translate into, before a text
_CODE = r"(?s)\A(>>.*?<<)"


class TranslationTokenizer(Tokenizer):
    """Source texts by one model, and target texts by another, with common ids.

    Junczys-Dowmunt et al. 2018, "Marian: Fast Neural Machine Translation in C++",
    https://arxiv.org/abs/1804.00344. The tokenizer itself reads source texts,
    `target_side()` reads target texts, and each detokenizes the ids of both. A piece
    that is not in the vocabulary is unknown. A `>>de<<` before a text is one token.

    Arguments:
        vocabulary: token -> id with the ids 0 to n - 1.
        source, target: serialized SentencePiece models.
        pad_token, eos_token, unk_token: tokens of the vocabulary.
        add_bos, add_eos: see `Tokenizer`.
    Raises:
        ValueError: not a SentencePiece model, ids with gaps, or a missing token.

    >>> from massivetext_keras.tokenizers import SentencePieceTokenizer
    >>> sides = [
    ...     SentencePieceTokenizer.train(texts=[text] * 9, vocabulary_size=262)
    ...     for text in ("a", "b")
    ... ]
    >>> models = [side._files()["tokenizer.model"] for side in sides]
    >>> vocabulary = {"</s>": 0, "<unk>": 1, "a": 2, "b": 3, "<pad>": 4}
    >>> tokenizer = TranslationTokenizer(vocabulary, *models)
    >>> tokenizer("aa").numpy().tolist()
    [2, 2]
    >>> tokenizer.target_side()("bb").numpy().tolist()
    [3, 3]
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        source: bytes,
        target: bytes,
        *,
        pad_token: str = "<pad>",
        eos_token: str = "</s>",
        unk_token: str = "<unk>",
        **kwargs,
    ):
        tokens = tokens_in_order(vocabulary)
        named = {"pad": pad_token, "eos": eos_token, "unk": unk_token}
        roles = {
            f"{k}_id": token_index(tokens, f"{k}_token", v) for k, v in named.items()
        }
        parse_model(source, SOURCE_FILE)
        parse_model(target, TARGET_FILE)
        codes = [t for t in tokens if t.startswith(">>") and t.endswith("<<")]
        surfaces = [token.replace(SPACE, " ") for token in tokens]
        surfaces[roles["unk_id"]] = " \u2047 "
        index = {token: i for i, token in enumerate(tokens)}
        super().__init__(
            Vocabulary(tokens, control_ids=tuple(index[x] for x in codes), **roles),
            surfaces=surfaces,
            **kwargs,
        )
        self._named = {f"{role}_token": token for role, token in named.items()}
        self._models = {SOURCE_FILE: source, TARGET_FILE: target}
        # a character that the model does not know may yet be in the vocabulary
        self._pieces = graph_tokenizer(source, tf.string)
        with tf.init_scope():
            pairs = tf.lookup.KeyValueTensorInitializer(tokens, [*range(len(tokens))])
            self._index = tf.lookup.StaticHashTable(pairs, self.unk_id)
        self._target = None
        if target != source:
            self._target = TranslationTokenizer(
                vocabulary, target, target, **self._named, **kwargs
            )

    def target_side(self) -> Tokenizer:
        return self._target or self

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        code, rest = _code_and_rest(text)
        pieces = tf.concat([code, self._pieces.tokenize(rest)], axis=1)
        return tf.ragged.map_flat_values(self._index.lookup, pieces)

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        code, rest = _code_and_rest(text)
        pieces, *offsets = self._pieces.tokenize_with_offsets(rest)
        offsets = in_characters(rest, *(tf.cast(x, tf.int32) for x in offsets))
        end = tf.ragged.map_flat_values(tf.strings.length, code, unit="UTF8_CHAR")
        ids = tf.ragged.map_flat_values(
            self._index.lookup, tf.concat([code, pieces], axis=1)
        )
        before = tf.reduce_sum(end, axis=1)[:, tf.newaxis]
        starts, ends = (
            tf.concat([first, x + before], axis=1)
            for first, x in zip((tf.zeros_like(end), end), offsets, strict=True)
        )
        return ids, starts, ends

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return tf.strings.regex_replace(super()._detokenize(ids), r"\A ", "")

    def _settings(self) -> dict:
        return super()._settings() | self._named

    def _files(self) -> dict[str, bytes]:
        vocabulary = json.dumps(self._vocabulary.ids, ensure_ascii=False)
        return {VOCABULARY_FILE: vocabulary.encode(), **self._models}

    @classmethod
    def _from_files(cls, files, **settings) -> TranslationTokenizer:
        vocabulary = json.loads(files[VOCABULARY_FILE])
        return cls(vocabulary, files[SOURCE_FILE], files[TARGET_FILE], **settings)


def _code_and_rest(text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """Strings [n] -> the language each begins with, [n, (0 or 1)], and what follows."""
    has_code = tf.strings.regex_full_match(text, rf"{_CODE}.*")
    code = tf.strings.regex_replace(text, rf"{_CODE}.*\z", r"\1")[:, tf.newaxis]
    code = tf.ragged.boolean_mask(code, has_code[:, tf.newaxis])
    return code, tf.strings.regex_replace(text, _CODE, "")

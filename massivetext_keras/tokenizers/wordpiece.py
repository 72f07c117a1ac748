"""BERT's WordPiece in the graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.parts.added_tokens import AddedToken, AddedTokens
from massivetext_keras.tokenizers.parts.offsets import Origin, in_characters
from massivetext_keras.tokenizers.parts.rewriting import WITH_MARKS
from massivetext_keras.tokenizers.parts.vocabulary import (
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.texts import read_lines, require_tokenizers

VOCABULARY_FILE = "vocab.txt"

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_SUFFIX = "##"
_DROPPED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{fffd}\p{Cf}\p{Co}]+"


class WordPieceTokenizer(Tokenizer):
    """BERT's rules and longest-match-first WordPiece, in linear time.

    Song et al. 2021, "Fast WordPiece Tokenization", https://arxiv.org/abs/2012.15524;
    the vocabulary and the rules of https://arxiv.org/abs/1810.04805. [CLS] is also
    `bos_id` and [SEP] `eos_id`. `detokenize` joins the words by one space and each
    `##` piece to the one before it; the text's case and spaces are lost. A word of more
    than 100 bytes is [UNK], where BERT counts characters.

    Arguments:
        vocabulary: the tokens in the order of their ids, or the path of a `vocab.txt`
            with one per line; [PAD], [UNK], [CLS], [SEP] and [MASK] among them.
        lowercase: lower the case, as "uncased" models do.
        strip_accents: take marks off letters (None: where the case is lowered).
        fold_case: lower the case by Unicode's folding, in which ß is ss.
        special_tokens: more tokens of the vocabulary that stand for no text.
        added_tokens: `AddedToken`s, or their fields, of the vocabulary that are found
            before all else.
        add_bos, add_eos: see `Tokenizer`.
    Raises:
        FileNotFoundError: no such file.
        ValueError: a token is missing or occurs twice.

    >>> tokenizer = WordPieceTokenizer([*SPECIAL, "un", "##able", "cafe"])
    >>> tokenizer("Unable Café x").numpy().tolist()
    [5, 6, 7, 1]
    >>> tokenizer.detokenize([2, 5, 6, 7, 3]).numpy()
    b'unable cafe'
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | str | os.PathLike,
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        fold_case: bool = False,
        special_tokens: Sequence[str] = (),
        added_tokens: Sequence[Sequence] = (),
        **kwargs,
    ):
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = parse_vocabulary(Path(vocabulary).read_bytes())
        tokens = tokens_in_order(vocabulary)
        pad, unk, cls, sep, mask = (
            token_index(tokens, "vocabulary", token) for token in SPECIAL
        )
        super().__init__(
            Vocabulary(
                tokens,
                pad_id=pad,
                unk_id=unk,
                bos_id=cls,
                eos_id=sep,
                control_ids=(
                    mask,
                    *(token_index(tokens, "special_tokens", x) for x in special_tokens),
                ),
            ),
            surfaces=tokens,
            **kwargs,
        )
        self.cls_id, self.sep_id = cls, sep
        self._lowercase, self._fold_case = lowercase, fold_case
        self._strip_accents = lowercase if strip_accents is None else strip_accents
        self._special_tokens = list(special_tokens)
        self._added_tokens = [AddedToken(*token) for token in added_tokens]
        self._found_raw = self._finder(normalized=False)
        self._found_normalized = self._finder(normalized=True)
        # no text has a piece of private use
        added = {token.content for token in self._added_tokens}
        own = [f"\ue000{i}" if t in added else t for i, t in enumerate(tokens)]
        self._pieces = tf_text.FastWordpieceTokenizer(
            own, suffix_indicator=_SUFFIX, token_out_type=tf.int32
        )

    @classmethod
    def train(
        cls,
        files: str | Path | Iterable[str | Path] | None = None,
        *,
        texts: Iterable[str] | None = None,
        vocabulary_size: int = 8192,
        lowercase: bool = True,
        min_frequency: int = 2,
        max_bytes: int | None = 100_000_000,
        **kwargs,
    ) -> WordPieceTokenizer:
        """Trains with the package `tokenizers`; the special tokens get the ids 0 to 4.

        Arguments:
            files, texts, max_bytes: see `read_lines`.
            vocabulary_size: at most this many tokens.
            lowercase: see the constructor.
            min_frequency: how often a pair must occur to become a token.
            **kwargs: for the constructor.
        Raises:
            ImportError: `tokenizers` is not installed.
        """
        hf = require_tokenizers()
        model = hf.Tokenizer(hf.models.WordPiece(unk_token="[UNK]"))
        model.normalizer = hf.normalizers.BertNormalizer(lowercase=lowercase)
        model.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
        trainer = hf.trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_frequency,
            special_tokens=list(SPECIAL),
            continuing_subword_prefix=_SUFFIX,
            show_progress=False,
        )
        model.train_from_iterator(read_lines(files, texts, max_bytes), trainer)
        return cls(tokens_in_order(model.get_vocab()), lowercase=lowercase, **kwargs)

    def token_texts(self, first: bool = False) -> None:
        """None: spaces and case are lost, so tokens do not add up to a text."""

    def begins_word(self) -> list[bool]:
        return [not token.startswith(_SUFFIX) for token in self._vocabulary.tokens]

    def _finder(self, normalized: bool) -> AddedTokens:
        """What finds the added tokens in texts as they are, or normalized ones."""
        some = [token for token in self._added_tokens if token.normalized == normalized]
        texts = [token.content for token in some]
        if normalized and texts:
            with tf.init_scope():
                found = self._normalized(tf.constant(texts)).numpy()
            texts = [text.decode() for text in found]
        ids = {
            text: self._vocabulary.index("added_tokens", token.content)
            for text, token in zip(texts, some, strict=True)
            if text
        }
        pairs = zip(texts, some, strict=True)
        return AddedTokens(ids, [text for text, token in pairs if token.single_word])

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        return self._found_raw.tokenize(text, self._tokenize_part)

    def _tokenize_part(self, text: tf.Tensor) -> tf.RaggedTensor:
        normalized = self._normalized(text)
        return self._found_normalized.tokenize(normalized, self._pieces.tokenize)

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        return self._found_raw.tokenize_with_offsets(text, self._part_with_offsets)

    def _part_with_offsets(self, text: tf.Tensor) -> tuple:
        def plain(normalized):
            ids, *offsets = self._pieces.tokenize_with_offsets(normalized)
            offsets = (tf.cast(x, tf.int32) for x in offsets)
            return ids, *in_characters(normalized, *offsets)

        normalized = self._normalized(text)
        ids, *offsets = self._found_normalized.tokenize_with_offsets(normalized, plain)
        unit = WITH_MARKS if self._fold_case else None
        origin = Origin.of(text).rewritten(text, self._normalized, unit)
        return ids, *origin.spans(*offsets)

    def _normalized(self, text: tf.Tensor) -> tf.Tensor:
        """Texts as BERT reads them; of a text, what becomes of each character."""
        text = tf.strings.regex_replace(text, _DROPPED, "")
        if self._strip_accents:
            text = tf_text.normalize_utf8(text, "NFD")
            text = tf.strings.regex_replace(text, r"\p{Mn}+", "")
        if self._lowercase and self._fold_case:
            return tf_text.case_fold_utf8(text)
        return tf.strings.lower(text, encoding="utf-8") if self._lowercase else text

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        words = tf.strings.reduce_join(
            tf.gather(self._surfaces, ids), axis=-1, separator=" "
        )
        return tf.strings.regex_replace(words, f" {_SUFFIX}", "")

    def _settings(self) -> dict:
        more = {
            "special_tokens": self._special_tokens,
            "added_tokens": [list(token) for token in self._added_tokens],
        }
        more = {name: tokens for name, tokens in more.items() if tokens}
        if self._strip_accents != self._lowercase:
            more["strip_accents"] = self._strip_accents
        if self._fold_case:
            more["fold_case"] = True
        return super()._settings() | {"lowercase": self._lowercase, **more}

    def _files(self) -> dict[str, bytes]:
        return {VOCABULARY_FILE: "\n".join((*self._vocabulary.tokens, "")).encode()}

    @classmethod
    def _from_files(cls, files, **settings) -> WordPieceTokenizer:
        return cls(parse_vocabulary(files[VOCABULARY_FILE]), **settings)


def parse_vocabulary(data: bytes) -> list[str]:
    """Returns the tokens of a `vocab.txt`, one per line.

    >>> parse_vocabulary(b"[PAD]\\nthe\\n")
    ['[PAD]', 'the']
    """
    return data.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")

"""Byte-level BPE, as of GPT-2, Llama 3 and Qwen, in the graph."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras.tokenizers.base import Tokenizer
from massivetext_keras.tokenizers.parts.added_tokens import AddedTokens
from massivetext_keras.tokenizers.parts.merges import (
    last_merges,
    merge_pairs,
    parse_merges,
)
from massivetext_keras.tokenizers.parts.offsets import (
    Origin,
    in_characters,
    sums_before,
)
from massivetext_keras.tokenizers.parts.rewriting import rewrite, rewrite_with_origin
from massivetext_keras.tokenizers.parts.splitting import MARK, Splitting
from massivetext_keras.tokenizers.parts.vocabulary import (
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.sentencepiece import graph_tokenizer
from massivetext_keras.tokenizers.texts import read_lines, require_tokenizers

VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"

# begins a word that is one token as a whole; it occurs in no valid UTF-8
_WHOLE = b"\xfe"

# the values of settings that need not be saved
_PLAIN: dict[str, Any] = {
    "pattern": "gpt2",
    "normal_form": None,
    "added_tokens": [],
    "single_words": [],
    "normalize_first": False,
    "ignore_merges": False,
}

# stands for the byte 0, which ends strings inside SentencePiece
_NUL = "\u2400"


@functools.cache
def byte_symbols() -> tuple[str, ...]:
    """Returns GPT-2's printable character for each of the 256 bytes.

    >>> byte_symbols()[ord(" ")]
    'Ġ'
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (b for b in range(256) if b not in printable)
    replaced = {byte: 256 + n for n, byte in enumerate(others)}
    return tuple(chr(replaced.get(byte, byte)) for byte in range(256))


class BytePairTokenizer(Tokenizer):
    """Byte-level BPE, exactly, as a SentencePiece model.

    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners". Two RE2
    rewrites find the words, each different word is encoded once, and its bytes are the
    latin-1 characters of a SentencePiece BPE model.

    The ids are those of Hugging Face's `tokenizers`, but for two things: special tokens
    in a text are ordinary characters here, and letters that are newer than RE2's
    Unicode tables count as punctuation.

    Arguments:
        vocabulary: token -> id with the ids 0 to n - 1, in GPT-2's byte symbols.
        merges: "left right" or (left, right), the first merge first.
        special_tokens: tokens of the vocabulary that stand for no text.
        pad_token, bos_token, eos_token: tokens of the vocabulary, or None.
        add_prefix_space: put a space before a text that begins with none.
        pattern: what cuts a text into words, one of `splitting.PATTERNS`.
        normal_form: Unicode's form that a text is brought into, such as "NFC".
        added_tokens: tokens of the vocabulary that are found in a text before all else,
            in letters as they are; the first one, and of these the longest.
        single_words: those of them that are found only where no word goes on.
        normalize_first: bring a text into its form before `added_tokens` are found.
        ignore_merges: a word that is a token is that one, whatever the merges say.
        add_bos, add_eos: see `Tokenizer`.
    Raises:
        ValueError: a byte, a special token or the result of a merge is missing in the
            vocabulary, or its ids have gaps.

    >>> vocabulary = {c: i for i, c in enumerate(byte_symbols())} | {
    ...     "lo": 256,
    ...     "Ġlo": 257,
    ... }
    >>> tokenizer = BytePairTokenizer(vocabulary, ["l o", "Ġ lo"])
    >>> tokenizer("lo lo").numpy().tolist()
    [256, 257]
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Iterable[str | Sequence[str]],
        *,
        special_tokens: Sequence[str] = (),
        pad_token: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        add_prefix_space: bool = False,
        pattern: str = "gpt2",
        normal_form: str | None = None,
        added_tokens: Sequence[str] = (),
        single_words: Sequence[str] = (),
        normalize_first: bool = False,
        ignore_merges: bool = False,
        **kwargs,
    ):
        tokens = tokens_in_order(vocabulary)
        index = {token: i for i, token in enumerate(tokens)}
        for role, some in {
            "special_tokens": special_tokens,
            "added_tokens": added_tokens,
        }.items():
            for token in some:
                if token not in index:
                    token_index(tokens, role, token)
        added = set(added_tokens)
        surfaces = [t.encode() if t in added else _surface(t) for t in tokens]
        named = {"pad": pad_token, "bos": bos_token, "eos": eos_token}
        super().__init__(
            Vocabulary(
                tokens,
                control_ids=tuple(index[token] for token in special_tokens),
                **{
                    f"{k}_id": token_index(tokens, f"{k}_token", v)
                    for k, v in named.items()
                },
            ),
            surfaces=surfaces,
            **kwargs,
        )
        pairs = merge_pairs(merges)
        self._merges = "\n".join(map(" ".join, pairs))
        self._add_prefix_space = add_prefix_space
        self._prefixed = "always" if add_prefix_space else None
        self._extras = {
            "pattern": pattern,
            "normal_form": normal_form,
            "added_tokens": list(added_tokens),
            "single_words": list(single_words),
            "normalize_first": normalize_first,
            "ignore_merges": ignore_merges,
        }
        self._cut = Splitting(pattern)
        self._normal_form = [] if normal_form is None else [[normal_form]]
        self._normalize_first = normalize_first
        self._added = AddedTokens({x: index[x] for x in added_tokens}, single_words)
        ranks = _ranks(tokens, pairs)
        plain = [i not in self.special_ids for i in range(len(tokens))]
        whole = added | {
            token
            for token, rank, text in zip(tokens, ranks, plain, strict=True)
            if ignore_merges and text and rank is None
        }
        self._whole_words = _set_of_strings(map(_surface, sorted(whole - added)))
        self._pieces = graph_tokenizer(
            _sentencepiece_model(surfaces, ranks, {index[token] for token in whole})
        )

    @classmethod
    def train(
        cls,
        files: str | Path | Iterable[str | Path] | None = None,
        *,
        texts: Iterable[str] | None = None,
        vocabulary_size: int = 8192,
        min_frequency: int = 2,
        max_bytes: int | None = 100_000_000,
        **kwargs,
    ) -> BytePairTokenizer:
        """Trains with the package `tokenizers`; `<|pad|>` 0, `<|endoftext|>` 1.

        Arguments:
            files, texts, max_bytes: see `read_lines`.
            vocabulary_size: at most this many tokens, 2 special and 256 bytes included.
            min_frequency: how often a pair must occur to be merged.
            **kwargs: for the constructor.
        Raises:
            ImportError: `tokenizers` is not installed.
            ValueError: a vocabulary below 258.
        """
        pad, end = special = ["<|pad|>", "<|endoftext|>"]
        least = len(byte_symbols()) + len(special)
        if vocabulary_size < least:
            raise ValueError(f"vocabulary_size={vocabulary_size}: at least {least}")
        hf = require_tokenizers()
        model = hf.Tokenizer(hf.models.BPE())
        model.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = hf.trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_frequency,
            special_tokens=special,
            initial_alphabet=list(byte_symbols()),
            show_progress=False,
        )
        lines = read_lines(files, texts, max_bytes)
        model.train_from_iterator((line + "\n" for line in lines), trainer)
        trained = json.loads(model.to_str())["model"]
        named = {"pad_token": pad, "bos_token": end, "eos_token": end}
        return cls(trained["vocab"], trained["merges"], **named | kwargs)

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        return self._ids(text, self._with_space)

    def _tokenize_further(self, text: tf.Tensor) -> tf.RaggedTensor:
        return self._ids(text, lambda part: part)

    def _ids(self, text: tf.Tensor, begun: Callable) -> tf.RaggedTensor:
        if self._normalize_first:
            text = rewrite(text, self._normal_form)
        parts, is_added = self._parts(text)
        # each to be cut into words: [batch * parts, (words)]
        flat = parts.flat_values
        words = self._words(tf.where(is_added, b"", flat), begun)
        words = tf.where(is_added, flat, words)
        words = tf.strings.split(words, sep=MARK)
        different, position = tf.unique(words.flat_values)
        if self._whole_words is not None:
            is_whole = self._whole_words.lookup(different) > 0
            different = tf.where(is_whole, _WHOLE + different, different)
        latin = tf.strings.unicode_transcode(
            different, "ISO-8859-1", "UTF-8", replace_control_characters=False
        )
        latin = tf.strings.regex_replace(latin, r"\x00", _NUL)
        ids = tf.gather(self._pieces.tokenize(latin), position)
        splits = tf.gather(words.row_splits, parts.row_splits)
        splits = tf.gather(ids.row_splits, splits)
        return tf.RaggedTensor.from_row_splits(ids.flat_values, splits, validate=False)

    def _parts(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Strings [batch] -> [batch, (parts)], and whether each is an added token, with
        `_WHOLE` before it."""
        if not self._extras["added_tokens"]:
            one_each = tf.ones([tf.size(text)], tf.int64)
            parts = tf.RaggedTensor.from_row_lengths(text, one_each, validate=False)
            return parts, tf.zeros_like(text, tf.bool)
        parts, ids = self._added.split(text)
        flat = tf.where(ids >= 0, _WHOLE + parts.flat_values, parts.flat_values)
        return parts.with_flat_values(flat), ids >= 0

    def _words(self, text: tf.Tensor, begun: Callable) -> tf.Tensor:
        """Strings [n] -> the same with `MARK` between their words."""
        if not self._normalize_first:
            text = rewrite(text, self._normal_form)
        return self._cut(begun(text))

    def _with_space(self, text: tf.Tensor) -> tf.Tensor:
        if not self._add_prefix_space:
            return text
        return tf.strings.regex_replace(text, r"^[^ ]", rb" \0")

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        ids = self._tokenize(text)
        sizes = tf.strings.length(tf.gather(self._surfaces, ids.flat_values))
        starts = sums_before(ids.with_flat_values(sizes))
        ends = starts.with_flat_values(starts.flat_values + sizes)
        # the bytes of the tokens are those of the rewritten text
        offsets = in_characters(self._detokenize(ids), starts, ends)
        if self._normal_form or self._add_prefix_space:
            offsets = self._origin(text).spans(*offsets)
        return ids, *offsets

    def _origin(self, text: tf.Tensor) -> Origin:
        """Of the characters that the words are cut from."""
        steps = self._normal_form
        first, later = (steps, []) if self._normalize_first else ([], steps)
        text, origin = rewrite_with_origin(text, first)
        parts, is_added = self._parts(text)
        flat = parts.flat_values
        added = tf.strings.regex_replace(tf.where(is_added, flat, b""), r"\A\C", "")
        flat = tf.where(is_added, b"", flat)
        rewritten, of_parts = rewrite_with_origin(flat, later)
        of_parts = of_parts.shifted(self._with_space(rewritten) != rewritten)
        # each part is one of both
        of_parts = Origin.of(added).followed_by(of_parts)
        sizes = tf.strings.length(added + flat, unit="UTF8_CHAR")
        return Origin(*origin.spans(*of_parts.joined(parts.with_flat_values(sizes))))

    def _settings(self, whole: bool = False) -> dict:
        """The constructor's arguments; `whole` has those with default values, too."""
        tokens, v = self._vocabulary.tokens, self._vocabulary
        named = {"pad": v.pad_id, "bos": v.bos_id, "eos": v.eos_id}
        return super()._settings() | {
            **{
                f"{k}_token": None if i is None else tokens[i] for k, i in named.items()
            },
            "special_tokens": [tokens[i] for i in v.control_ids],
            "add_prefix_space": self._add_prefix_space,
            **{k: v for k, v in self._extras.items() if whole or v != _PLAIN[k]},
        }

    def _files(self) -> dict[str, bytes]:
        vocabulary = json.dumps(self._vocabulary.ids, ensure_ascii=False)
        merges = f"#version: 0.2\n{self._merges}\n"
        return {VOCABULARY_FILE: vocabulary.encode(), MERGES_FILE: merges.encode()}

    @classmethod
    def _from_files(cls, files, **settings) -> BytePairTokenizer:
        vocabulary = json.loads(files[VOCABULARY_FILE])
        return cls(vocabulary, parse_merges(files[MERGES_FILE].decode()), **settings)


def _surface(token: str) -> bytes:
    symbols = _symbol_bytes()
    if all(symbol in symbols for symbol in token):
        return bytes(symbols[symbol] for symbol in token)
    return token.encode()


@functools.cache
def _symbol_bytes() -> dict[str, int]:
    return {symbol: byte for byte, symbol in enumerate(byte_symbols())}


def _ranks(
    tokens: Sequence[str], merges: Sequence[tuple[str, ...]]
) -> list[int | None]:
    """Returns `last_merges`; None also for characters that are no byte's symbol.

    Raises:
        ValueError: a byte is missing in the tokens, or a part of a merge.
    """
    known, symbols = set(tokens), _symbol_bytes()
    for symbol, byte in symbols.items():
        if symbol not in known:
            raise ValueError(f"vocabulary: no token for the byte {byte} ({symbol!r})")
    return [
        None if len(token) == 1 and token not in symbols else rank
        for token, rank in zip(tokens, last_merges(tokens, merges), strict=True)
    ]


def _set_of_strings(members: Iterable[bytes]) -> tf.lookup.StaticHashTable | None:
    """Returns a table that gives 1 for the members and 0 for all else."""
    members = list(members)
    if not members:
        return None
    with tf.init_scope():
        pairs = tf.lookup.KeyValueTensorInitializer(members, [1] * len(members))
        return tf.lookup.StaticHashTable(pairs, 0)


def _sentencepiece_model(
    surfaces: Sequence[bytes], ranks: Sequence[int | None], whole: Set[int]
) -> bytes:
    """Builds the SentencePiece model that merges as the byte-level BPE does.

    Arguments:
        surfaces: the bytes of each token.
        ranks: of `last_merges`; a token that is not reached is kept out.
        whole: ids of tokens that are whole words, which `_WHOLE` begins.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece
    for index, (surface, rank) in enumerate(zip(surfaces, ranks, strict=True)):
        piece = (_WHOLE + surface if index in whole else surface).decode("latin-1")
        piece = piece.replace("\x00", _NUL)
        if index in whole:
            proto.pieces.add(piece=piece, type=kinds.USER_DEFINED)
        elif rank is None:
            # outside latin-1, so that no text contains it
            proto.pieces.add(piece=f"\ue000{index}", type=kinds.CONTROL)
        else:
            proto.pieces.add(piece=piece, type=kinds.NORMAL, score=-rank)
    proto.pieces.add(piece="<unk>", type=kinds.UNKNOWN)
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type = trainer.BPE
    trainer.unk_id = len(surfaces)
    trainer.bos_id = trainer.eos_id = trainer.pad_id = -1
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = False
    normalizer.remove_extra_whitespaces = False
    normalizer.escape_whitespaces = False
    return proto.SerializeToString()

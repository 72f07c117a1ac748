"""GPT-2's byte-level BPE in the graph."""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from massivetext_keras.tokenizers.base import (
    Tokenizer,
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.sentencepiece import graph_tokenizer
from massivetext_keras.tokenizers.texts import read_lines, require_tokenizers

VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"

# GPT-2's `\s`, and its pattern without the look-ahead `\s+(?!\S)` that RE2 lacks: the
# mark of _LAST_SPACE splits a run of spaces before its last one instead. The byte 0xFF
# occurs in no valid UTF-8, and whole-match rewrites are much faster than groups.
_WS = r"\t-\r \x{85}\p{Z}"
_LAST_SPACE = rf"[{_WS}][^{_WS}]"
_WORD = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+"
    rf"| ?[^{_WS}\p{{L}}\p{{N}}]+|[{_WS}]+"
)
_MARK = b"\xff"

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
    """Byte-level BPE with GPT-2's pattern, exactly, as a SentencePiece model.

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
        **kwargs,
    ):
        tokens = tokens_in_order(vocabulary)
        pairs = [tuple(m.split(" ") if isinstance(m, str) else m) for m in merges]
        index = {token: i for i, token in enumerate(tokens)}
        for token in special_tokens:
            token_index(tokens, "special_tokens", token)
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
            surfaces=[_surface(token) for token in tokens],
            **kwargs,
        )
        self._merges = "\n".join(map(" ".join, pairs))
        self._add_prefix_space = add_prefix_space
        self._pieces = graph_tokenizer(_sentencepiece_model(tokens, pairs))

    @classmethod
    def train(
        cls,
        files: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
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
        if self._add_prefix_space:
            text = tf.strings.regex_replace(text, r"^[^ ]", rb" \0")
        text = tf.strings.regex_replace(text, _LAST_SPACE, _MARK + rb"\0")
        text = tf.strings.regex_replace(text, _WORD, rb"\0" + _MARK)
        words = tf.strings.split(text, sep=_MARK)
        different, position = tf.unique(words.flat_values)
        latin = tf.strings.unicode_transcode(
            different, "ISO-8859-1", "UTF-8", replace_control_characters=False
        )
        latin = tf.strings.regex_replace(latin, r"\x00", _NUL)
        ids = tf.gather(self._pieces.tokenize(latin), position)
        splits = tf.gather(ids.row_splits, words.row_splits)
        return tf.RaggedTensor.from_row_splits(ids.flat_values, splits, validate=False)

    def _settings(self) -> dict:
        tokens, v = self._vocabulary.tokens, self._vocabulary
        named = {"pad": v.pad_id, "bos": v.bos_id, "eos": v.eos_id}
        return super()._settings() | {
            **{
                f"{k}_token": None if i is None else tokens[i] for k, i in named.items()
            },
            "special_tokens": [tokens[i] for i in v.control_ids],
            "add_prefix_space": self._add_prefix_space,
        }

    def _files(self) -> dict[str, bytes]:
        vocabulary = json.dumps(self._vocabulary.ids, ensure_ascii=False)
        merges = f"#version: 0.2\n{self._merges}\n"
        return {VOCABULARY_FILE: vocabulary.encode(), MERGES_FILE: merges.encode()}

    @classmethod
    def _from_files(cls, files, **settings) -> BytePairTokenizer:
        vocabulary = json.loads(files[VOCABULARY_FILE])
        return cls(vocabulary, parse_merges(files[MERGES_FILE].decode()), **settings)


def parse_merges(text: str) -> list[str]:
    """Returns the merges of a `merges.txt`.

    >>> parse_merges("#version: 0.2\\nl o\\n")
    ['l o']
    """
    lines = text.split("\n")
    return [line for line in lines if line and not line.startswith("#version")]


def _surface(token: str) -> bytes:
    symbols = _symbol_bytes()
    if all(symbol in symbols for symbol in token):
        return bytes(symbols[symbol] for symbol in token)
    return token.encode()


@functools.cache
def _symbol_bytes() -> dict[str, int]:
    return {symbol: byte for byte, symbol in enumerate(byte_symbols())}


def _sentencepiece_model(
    tokens: Sequence[str], merges: Sequence[tuple[str, ...]]
) -> bytes:
    """Builds the SentencePiece model that merges as the byte-level BPE does.

    SentencePiece joins two neighbours whenever the result is a piece, the best score
    first. A token's parts meet as neighbours in a text just as they do when the BPE
    runs on the token alone, since a merge across its borders would have destroyed it.
    So each token is run alone: its last merge is the only one that can make it in any
    text and gives its score, and a token that is not reached is kept out.

    Raises:
        ValueError: a byte, or the part or result of a merge, is missing in the tokens.
    """
    from sentencepiece import sentencepiece_model_pb2

    known = set(tokens)
    for byte, symbol in enumerate(byte_symbols()):
        if symbol not in known:
            raise ValueError(f"vocabulary: no token for the byte {byte} ({symbol!r})")
    for pair in merges:
        if len(pair) != 2 or not known.issuperset((*pair, "".join(pair))):
            raise ValueError(f"merges: {' '.join(pair)!r} is not made of known tokens")
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece
    for index, token in enumerate(tokens):
        rank = _last_merge(token, ranks)
        if rank is None:
            # outside latin-1, so that no text contains it
            proto.pieces.add(piece=f"\ue000{index}", type=kinds.CONTROL)
        else:
            piece = _surface(token).decode("latin-1").replace("\x00", _NUL)
            proto.pieces.add(piece=piece, type=kinds.NORMAL, score=-rank)
    proto.pieces.add(piece="<unk>", type=kinds.UNKNOWN)
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    trainer.model_type = trainer.BPE
    trainer.unk_id = len(tokens)
    trainer.bos_id = trainer.eos_id = trainer.pad_id = -1
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = False
    normalizer.remove_extra_whitespaces = False
    normalizer.escape_whitespaces = False
    return proto.SerializeToString()


def _last_merge(token: str, ranks: Mapping[tuple[str, str], int]) -> int | None:
    """Returns the rank of the merge that completes a token, None if none does.

    >>> _last_merge("abc", {("a", "b"): 0, ("b", "c"): 1, ("ab", "c"): 2})
    2
    >>> _last_merge("abc", {("b", "c"): 0, ("a", "b"): 1, ("ab", "c"): 2})
    """
    if len(token) == 1:
        return 0 if token in _symbol_bytes() else None
    parts, rank = list(token), None
    while len(parts) > 1:
        found = [ranks.get(pair, len(ranks)) for pair in itertools.pairwise(parts)]
        rank = min(found)
        if rank == len(ranks):
            return None
        at = found.index(rank)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return rank

"""Whole words as tokens, and if asked for the bytes that spell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from massivetext_keras.architecture.word_encoder import BYTES
from massivetext_keras.support.values import choose
from massivetext_keras.tokenizers.base import Tokenizer, valid_utf8
from massivetext_keras.tokenizers.parts.vocabulary import (
    Vocabulary,
    token_index,
    tokens_in_order,
)
from massivetext_keras.tokenizers.parts.words import WORDS, words_of
from massivetext_keras.tokenizers.texts import read_lines

VOCABULARY_FILE = "words.txt"
PAD, UNKNOWN = "<pad>", "<unk>"
SPELLING = tuple(f"<0x{byte:02X}>" for byte in range(256))

_MOST_BYTES = 32  # of a word that are spelled
_LINES_AT_ONCE = 4096


class WordTokenizer(Tokenizer):
    """One id for each word, and one for all words that are not in the vocabulary.

    A tokenizer that spells puts the ids of the first 32 bytes of a word, in the case
    that they have, behind the word's own: what a model needs to make features of the
    characters of words, of unknown ones too (Ma & Hovy, 2016). `detokenize` joins words
    by a space; the case is lost where nothing is spelled.

    Arguments:
        vocabulary: the tokens in the order of their ids: <pad>, <unk>, of a tokenizer
            that spells <0x00> to <0xFF>, then the words.
        split: what a word is: "words", runs of letters and digits, and any other
            character alone; or "spaces", what stands between white space.
        lowercase: whether words are looked up in lower case.
        spelled: whether the bytes of a word follow it.
        add_bos, add_eos: see `Tokenizer`; there are no such tokens.
    Raises:
        ValueError: a token is missing or occurs twice, or `split` is unknown.

    >>> tokenizer = WordTokenizer(["<pad>", "<unk>", "the", "sun", "'"])
    >>> tokenizer("The sun's").numpy().tolist()
    [2, 3, 4, 1]
    >>> tokenizer.detokenize([2, 3]).numpy()
    b'the sun'
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        split: str = "words",
        lowercase: bool = True,
        spelled: bool = False,
        **kwargs,
    ):
        choose("split", split, WORDS)
        tokens = tokens_in_order(vocabulary)
        pad, unknown = (token_index(tokens, "vocabulary", x) for x in (PAD, UNKNOWN))
        if spelled and tokens[BYTES.start : BYTES.stop] != SPELLING:
            raise ValueError(
                f"vocabulary: ids {BYTES.start} to {BYTES.stop - 1} of a tokenizer "
                "that spells must be <0x00> to <0xFF>"
            )
        others = {PAD, UNKNOWN, *(SPELLING if spelled else ())}
        words = [i for i, token in enumerate(tokens) if token not in others]
        surfaces: list[bytes] = [token.encode() for token in tokens]
        if spelled:  # spaces between words, and their bytes
            surfaces = [b" "] * len(tokens)
            surfaces[BYTES.start : BYTES.stop] = [bytes([i]) for i in range(256)]
        super().__init__(
            Vocabulary(tokens, pad_id=pad, unk_id=unknown),
            surfaces=surfaces,
            **kwargs,
        )
        self.spelled = spelled
        self._split, self._lowercase = split, lowercase
        self._is_word = [
            i == unknown or token not in others for i, token in enumerate(tokens)
        ]
        self._ids = _Lookup([tokens[i] for i in words], words, unknown)

    @classmethod
    def train(
        cls,
        files: str | Path | Iterable[str | Path] | None = None,
        *,
        texts: Iterable[str] | None = None,
        vocabulary_size: int | None = None,
        min_frequency: int = 1,
        split: str = "words",
        lowercase: bool = True,
        spelled: bool = False,
        max_bytes: int | None = 100_000_000,
        **kwargs,
    ) -> WordTokenizer:
        """Counts words; the most frequent ones come first.

        Arguments:
            files, texts, max_bytes: see `read_lines`.
            vocabulary_size: at most this many tokens (None: all).
            min_frequency: how often a word must occur.
            split, lowercase, spelled: see the constructor.
            **kwargs: for the constructor.

        >>> tokenizer = WordTokenizer.train(texts=["a b b", "b c c"], min_frequency=2)
        >>> [tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size)]
        ['<pad>', '<unk>', 'b', 'c']
        """
        choose("split", split, WORDS)
        counts: Counter[bytes] = Counter()
        for lines in _in_parts(read_lines(files, texts, max_bytes)):
            words = words_of(valid_utf8(tf.constant(lines)), split).texts.flat_values
            if lowercase:
                words = tf.strings.lower(words, encoding="utf-8")
            counts.update(words.numpy().tolist())
        tokens = [PAD, UNKNOWN, *(SPELLING if spelled else ())]
        for name in tokens:  # a text may have a word that is one of them
            del counts[name.encode()]
        order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        tokens += [word.decode() for word, n in order if n >= min_frequency]
        return cls(
            tokens[:vocabulary_size],
            split=split,
            lowercase=lowercase,
            spelled=spelled,
            **kwargs,
        )

    def token_texts(self, first: bool = False) -> None:
        """None: spaces are lost, so tokens do not add up to a text."""

    def begins_word(self) -> list[bool]:
        return [is_word or i == self.pad_id for i, is_word in enumerate(self._is_word)]

    def _tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        return self._read(text)[0]

    def _tokenize_with_offsets(self, text: tf.Tensor) -> tuple:
        ids, words, of_words = self._read(text)
        starts, ends = (
            ids.with_flat_values(tf.repeat(x.flat_values, of_words))
            for x in (words.starts, words.ends)
        )
        return ids, starts, ends

    def _read(self, text: tf.Tensor) -> tuple:
        """Ids, the words that they are of, and how many each word has, int64."""
        words = words_of(text, self._split)
        flat = words.texts.flat_values
        keys = tf.strings.lower(flat, encoding="utf-8") if self._lowercase else flat
        ids = self._ids.lookup(keys)
        if not self.spelled:
            return words.texts.with_flat_values(ids), words, tf.ones_like(ids, tf.int64)
        data = tf.io.decode_raw(tf.strings.reduce_join(flat), tf.uint8)
        data = tf.cast(data, tf.int32) + BYTES.start
        sizes = tf.strings.length(flat)
        spelling = tf.RaggedTensor.from_row_lengths(data, sizes, validate=False)
        spelling = spelling.with_row_splits_dtype(tf.int64)
        rows = tf.concat([ids[:, None], spelling[:, :_MOST_BYTES]], axis=1)
        splits = tf.gather(rows.row_splits, words.texts.row_splits)
        ids = tf.RaggedTensor.from_row_splits(rows.flat_values, splits, validate=False)
        return ids, words, rows.row_lengths()

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        pieces = tf.gather(self._surfaces, ids)
        if not self.spelled:
            return tf.strings.reduce_join(pieces, axis=-1, separator=" ")
        texts = tf.strings.reduce_join(pieces, axis=-1)
        return tf.strings.regex_replace(texts, r"\A ", "")

    def _settings(self) -> dict:
        how = {"split": self._split, "lowercase": self._lowercase}
        return super()._settings() | how | {"spelled": self.spelled}

    def _files(self) -> dict[str, bytes]:
        return {VOCABULARY_FILE: "\n".join((*self._vocabulary.tokens, "")).encode()}

    @classmethod
    def _from_files(cls, files, **settings) -> WordTokenizer:
        lines = files[VOCABULARY_FILE].decode().removesuffix("\n").split("\n")
        return cls(lines, **settings)


class _Lookup(tf.Module):
    """Ids of words, inside the graph."""

    def __init__(self, words: Sequence[str], ids: Sequence[int], unknown: int):
        super().__init__(name="words")
        with tf.init_scope():
            pairs = tf.lookup.KeyValueTensorInitializer(
                # "" is no word: a table has one entry at least
                ["", *words],
                tf.constant([unknown, *ids], tf.int32),
            )
            self._table = tf.lookup.StaticHashTable(pairs, unknown)

    def lookup(self, words: tf.Tensor) -> tf.Tensor:
        return self._table.lookup(words)


def _in_parts(lines: Iterable[str]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for line in lines:
        part.append(line.encode("utf-8", "replace"))
        if len(part) == _LINES_AT_ONCE:
            yield part
            part = []
    if part:
        yield part

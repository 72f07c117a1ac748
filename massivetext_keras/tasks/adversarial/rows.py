"""Texts as rows of ids of one length, and the vocabulary of their words."""

from __future__ import annotations

import collections
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.texts import first_id
from massivetext_keras.tasks.adversarial.sampling import Marks
from massivetext_keras.tokenizers import Tokenizer, WordPieceTokenizer
from massivetext_keras.tokenizers.texts import require_tokenizers
from massivetext_keras.tokenizers.wordpiece import SPECIAL

logger = logging.getLogger(__name__)


def word_tokenizer(
    texts: Iterable[str],
    vocabulary_size: int,
    min_count: int = 1,
    lowercase: bool = True,
) -> WordPieceTokenizer:
    """A tokenizer of whole words, by BERT's rules for what a word is; all words that it
    does not know are [UNK].

    Args:
        texts: whose most frequent words it has.
        vocabulary_size: at most this many tokens, the special ones among them.
        min_count: words that occur less often are left out.
        lowercase: see `WordPieceTokenizer`.

    Raises:
        ValueError: there are no words, or none is kept.

    >>> word_tokenizer(["a cat", "a dog"], 7)("a cat").numpy().tolist()
    [5, 6]
    """
    hf = require_tokenizers()
    normal = hf.normalizers.BertNormalizer(lowercase=lowercase)
    parts = hf.pre_tokenizers.BertPreTokenizer()
    counts = collections.Counter(
        word
        for text in texts
        for word, _ in parts.pre_tokenize_str(normal.normalize_str(text))
        if not word.startswith("##") and word not in SPECIAL
    )
    if not counts:
        raise ValueError("there is no text to learn from: the texts have no words")
    room = vocabulary_size - len(SPECIAL)
    kept = [word for word, n in counts.most_common(max(room, 0)) if n >= min_count]
    if not kept:
        (word, most), *_ = counts.most_common(1)
        raise ValueError(
            f"vocabulary_size={vocabulary_size} and min_count={min_count} leave none "
            f"of {len(counts):,} words: the most frequent one, {word!r}, occurs "
            f"{most:,} times, and {len(SPECIAL)} tokens are special"
        )
    return WordPieceTokenizer([*SPECIAL, *kept], lowercase=lowercase)


def marks_of(tokenizer: Tokenizer | None) -> Marks:
    """What stands around the texts of a tokenizer; of ids alone 0 is the start.

    Raises:
        ValueError: it has no token that a text could begin behind.
    """
    if tokenizer is None:
        return Marks()
    start = first_id(tokenizer)
    if start is None:
        raise ValueError(
            f"this {type(tokenizer).__name__} has neither eos_id nor bos_id: no text "
            "can begin"
        )
    end = tokenizer.eos_id
    padding = tokenizer.pad_id
    if padding is None:
        padding = start if end is None else end
    return Marks(start, end, padding)


def rows_of(texts: Sequence[str], tokenizer: Tokenizer, length: int) -> np.ndarray:
    """Texts as int32 [texts, length]: their ids, the end, and padding.

    Says how many are longer and cut; those have no end.

    Raises:
        ValueError: no text has a token, or none a known one.
    """
    marks = marks_of(tokenizer)
    if not texts:
        raise ValueError("there is no text to learn from")
    ids = tokenizer.tokenize(tf.constant(list(texts)))
    # What the tokenizer itself puts around a text stands in the marks.
    inner = (ids != marks.start) & (
        ids != (marks.start if marks.end is None else marks.end)
    )
    ids = tf.ragged.boolean_mask(ids, inner)
    lengths = ids.row_lengths().numpy()
    if not lengths.any():
        raise ValueError("there is no text to learn from: the texts have no tokens")
    unknown = tokenizer.unk_id
    if unknown is not None and bool(tf.reduce_all(ids.flat_values == unknown)):
        raise ValueError(
            f"none of the words of {len(texts):,} texts is among the "
            f"{tokenizer.vocabulary_size:,} tokens of the vocabulary"
        )
    if empty := int((lengths == 0).sum()):
        logger.warning("%d of %d texts are empty: left out", empty, len(texts))
    room = length - (marks.end is not None)
    if cut := int((lengths > room).sum()):
        logger.warning(
            "%d of %d texts have more than length=%d tokens%s: cut there",
            *(cut, len(texts), length, " with their end" if room < length else ""),
        )
    if marks.end is None and (short := int((lengths < length).sum())):
        raise ValueError(
            f"{short} of {len(texts)} texts have less than {length} tokens, and the "
            f"{type(tokenizer).__name__} has no eos_id to end them with"
        )
    if marks.end is not None:
        ends = tf.fill([len(texts), 1], tf.constant(marks.end, ids.dtype))
        ids = tf.concat([ids, ends], axis=1)
    rows = ids.to_tensor(marks.padding, shape=[None, length])
    return rows.numpy()[lengths > 0].astype(np.int32)


def checked_rows(ids: Any, vocabulary_size: int, length: int) -> np.ndarray:
    """Ids that a caller gave, int32 [texts, length].

    Raises:
        ValueError: they are no such rows; the message says what they are.
    """
    rows = np.asarray(ids)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or not rows.size:
        raise ValueError(
            f"ids must be whole numbers [texts, {length}], got {rows.dtype} "
            f"{list(rows.shape)}"
        )
    if rows.shape[1] != length:
        raise ValueError(
            f"rows of {rows.shape[1]} ids are not of the length {length}: give "
            f"length={rows.shape[1]}"
        )
    if rows.min() < 0 or rows.max() >= vocabulary_size:
        raise ValueError(
            f"ids from {rows.min()} to {rows.max()} are not within a vocabulary of "
            f"{vocabulary_size}"
        )
    return rows.astype(np.int32)


def batches(rows: np.ndarray, size: int, seed: int) -> tf.data.Dataset:
    """Batches without end, each pass over the rows in another order that the seed
    decides.

    Args:
        rows: int32 [texts, length].
        size: of a batch, at most the number of rows.
        seed: of the order.
    """
    data = tf.data.Dataset.from_tensor_slices(rows)
    data = data.shuffle(len(rows), seed=seed, reshuffle_each_iteration=True)
    data = data.repeat().batch(min(size, len(rows)), drop_remainder=True)
    return data.prefetch(2)

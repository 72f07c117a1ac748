"""Texts as an encoder reads them: one to a row, between two special tokens."""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf

_HALVES = re.compile("[\ud800-\udfff]")


def utf8(text: str) -> bytes:
    """The bytes of a text; half a surrogate pair, which UTF-8 has not, is U+FFFD.

    That is one character too, so that no place behind it is shifted.

    >>> utf8("a\\ud83d!").decode() == "a\\ufffd!"
    True
    """
    return whole_characters(text).encode()


def whole_characters(text: str) -> str:
    """A text in which half a surrogate pair is U+FFFD."""
    return _HALVES.sub("\ufffd", text)


def framed(
    tokenizer, token_ids: tf.RaggedTensor | tf.Tensor
) -> tf.RaggedTensor | tf.Tensor:
    """Puts every row between `bos_id` and `eos_id`, [CLS] and [SEP] with BERT.

    Encoders read them wherever the tokenizer has them, whatever its flags say.

    Args:
        tokenizer: of the ids.
        token_ids: int32 [batch, length], dense or ragged.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> framed(ByteTokenizer(), tf.ragged.constant([[5], []])).to_list()
    [[1, 5, 2], [1, 2]]
    """
    dense = isinstance(token_ids, tf.Tensor)
    rows = tf.shape(token_ids)[0] if dense else token_ids.nrows()
    before, after = (
        [tf.fill([rows, 1], tf.constant(special, token_ids.dtype)) for special in some]
        for some in frame(tokenizer)
    )
    return tf.concat([*before, token_ids, *after], axis=1)


def joined(
    tokenizer, first: tf.RaggedTensor, second: tf.RaggedTensor, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Two texts to a row, between and behind them `eos_id`: [CLS] a [SEP] b [SEP], or
    with two of them in between, as RoBERTa has it; see `separator_ids`.

    Where both do not fit, the longer one loses its end first.

    Args:
        tokenizer: of the ids.
        first, second: int32 [batch, (length)].
        max_length: tokens of a row.

    Returns:
        ids and segments, int32 [batch, (length)]: 1 from the second text on, else 0.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> first, second = tf.ragged.constant([[5, 6, 7]]), tf.ragged.constant([[8]])
    >>> [x.to_list() for x in joined(ByteTokenizer(), first, second, 6)]
    [[[1, 5, 6, 2, 8, 2]], [[0, 0, 0, 0, 1, 1]]]
    """
    before, after = (
        tf.constant(some, first.dtype, [len(some)]) for some in frame(tokenizer)
    )
    inner = separator_ids(tokenizer)
    inner = tf.constant(inner, first.dtype, [len(inner)])
    places = max_length - tf.size(before) - tf.size(inner) - tf.size(after)
    places = tf.cast(places, first.row_splits.dtype)
    sizes = first.row_lengths(), second.row_lengths()
    kept = tf.minimum(sizes[0], tf.maximum(places - places // 2, places - sizes[1]))
    parts = _beginning(first, kept), _beginning(second, places - kept)
    rows = first.nrows()
    before, inner, after = (
        tf.RaggedTensor.from_tensor(tf.tile(some[None], [rows, 1]))
        for some in (before, inner, after)
    )
    sides = tf.concat([before, parts[0], inner], 1), tf.concat([parts[1], after], 1)
    segments = [tf.ones_like(side) * i for i, side in enumerate(sides)]
    return tf.concat(sides, axis=1), tf.concat(segments, axis=1)


def _beginning(rows: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """At most so many ids of each row, int32 [batch, (length)] and [batch]."""
    places = tf.ragged.range(rows.row_lengths())
    few = tf.gather(lengths, places.value_rowids())
    return tf.ragged.boolean_mask(
        rows, places.with_flat_values(places.flat_values < few)
    )


def frame(tokenizer) -> tuple[list[int], list[int]]:
    """The ids before and after a text."""
    bos, eos = tokenizer.bos_id, tokenizer.eos_id
    return [] if bos is None else [bos], [] if eos is None else [eos]


def separator_ids(tokenizer) -> list[int]:
    """The ids between two texts.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> separator_ids(ByteTokenizer(separators=2))
    [2, 2]
    """
    return frame(tokenizer)[1] * tokenizer.separators


def max_text_tokens(tokenizer, max_length: int) -> int:
    """The most tokens of a text in a row of `max_length`.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> max_text_tokens(ByteTokenizer(), 16)
    14
    """
    return max_length - sum(map(len, frame(tokenizer)))


def text_ids(tokenizer) -> np.ndarray:
    """The ids that stand for known text, int32 [n].

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> text_ids(ByteTokenizer())[:3].tolist()
    [3, 4, 5]
    """
    others = {*tokenizer.special_ids, tokenizer.unk_id, tokenizer.mask_id}
    ids = (i for i in range(tokenizer.vocabulary_size) if i not in others)
    return np.fromiter(ids, np.int32)


def padded(
    tokenizer, token_ids: tf.RaggedTensor, length: int | None = None
) -> dict[str, tf.Tensor]:
    """Rows as the features of an encoder.

    Args:
        tokenizer: of the ids; has a `pad_id`, or else 0 fills the rows.
        token_ids: int32 [batch, (length)].
        length: of the rows (None: that of the longest, at least 1).

    Returns:
        `token_ids` and `padding_mask`, int32 [batch, length].

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> rows = padded(ByteTokenizer(), tf.ragged.constant([[5, 6], [7]]))
    >>> rows["padding_mask"].numpy().tolist()
    [[1, 1], [1, 0]]
    """
    if length is None:
        length = tf.maximum(token_ids.bounding_shape(1), 1)
    shape = tf.stack([-1, tf.cast(length, token_ids.row_splits.dtype)])
    return {
        "token_ids": token_ids.to_tensor(tokenizer.pad_id or 0, shape=shape),
        "padding_mask": tf.ones_like(token_ids).to_tensor(0, shape=shape),
    }

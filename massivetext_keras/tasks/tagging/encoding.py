"""Texts as rows of a model that says something of each word."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.text.framing import frame, framed
from massivetext_keras.text.words import word_offsets

_FAR = 1 << 32  # more than any text has


class TaggedRows(NamedTuple):
    """Windows over texts, and the words that each of them is asked about.

    All words of all windows, in order, are those of all texts, in order.

    Attributes:
        token_ids: int32 [windows, (length)], framed.
        segment_ids: int32 [windows, (length)], 1 at the tokens of the predicate.
        places: int32 [windows, (words)], where the first token of each word is.
        starts, ends: int32 [texts, (words)], in characters.
        sees: int32 [texts, (words)], 1 if the window of a word sees the predicate.
    """

    token_ids: tf.RaggedTensor
    segment_ids: tf.RaggedTensor
    places: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor
    sees: tf.RaggedTensor


def tagged_rows(
    tokenizer, texts: tf.Tensor, length: int, predicates: tf.Tensor | None = None
) -> TaggedRows:
    """Cuts texts into words and into windows, which overlap by a quarter.

    A word is asked about at its first token, in the window where it is farther from
    the ends. Words with a first token in common are one; those without any, none.

    Args:
        tokenizer: of the model.
        texts: string [n], valid UTF-8.
        length: tokens of a window.
        predicates: int32 [n, 2], first character and the one behind the last (None:
            there are none).

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> rows = tagged_rows(ByteTokenizer(), tf.constant(["a bc"]), 16)
    >>> rows.token_ids.to_list(), rows.places.to_list(), rows.starts.to_list()
    ([[1, 100, 35, 101, 102, 2]], [[1, 3]], [[0, 2]])
    """
    ids, begins, behinds = tokenizer.tokenize_with_offsets(texts)
    starts, ends, firsts = _words_of(texts, begins, behinds)
    before, after = frame(tokenizer)
    room = length - len(before) - len(after)
    overlap = max(room // 8, 1) * 2 if room > 2 else 0
    stride = room - overlap
    sizes = tf.cast(ids.row_lengths(), tf.int32)
    counts = tf.maximum(-(-(sizes - room) // stride), 0) + 1  # windows of each text
    owner = tf.repeat(tf.range(tf.size(counts)), counts)
    begin = tf.ragged.range(counts).flat_values * stride
    end = tf.minimum(begin + room, tf.gather(sizes, owner))

    # each word to the window that has most around it
    rows = tf.cast(firsts.value_rowids(), tf.int32)
    nth = (firsts.flat_values - overlap // 2) // stride
    nth = tf.clip_by_value(nth, 0, tf.gather(counts, rows) - 1)
    window = tf.gather(tf.cumsum(counts, exclusive=True), rows) + nth
    begin, end = _at_words(firsts, owner, begin, end, sizes, overlap // 4)

    index = tf.ragged.range(begin, end)
    base = tf.cast(tf.gather(ids.row_starts(), owner), tf.int32)
    index = index + base[:, None]
    marks = tf.zeros_like(ids)
    if predicates is not None:
        first, last = (predicates[:, i : i + 1] for i in (0, 1))
        marks = tf.cast((begins < last) & (behinds > first), tf.int32)
    ids, marks = (
        index.with_flat_values(tf.gather(x.flat_values, index.flat_values))
        for x in (ids, marks)
    )
    edges = [
        tf.zeros([tf.size(owner), len(some)], tf.int32) for some in (before, after)
    ]
    marks = tf.concat([edges[0], marks, edges[1]], axis=1)
    places = tf.RaggedTensor.from_value_rowids(
        firsts.flat_values - tf.gather(begin, window) + len(before),
        tf.cast(window, tf.int64),
        nrows=tf.size(owner, tf.int64),
        validate=False,
    )
    seen = tf.math.unsorted_segment_max(
        marks.flat_values, marks.value_rowids(), tf.size(owner)
    )
    return TaggedRows(
        framed(tokenizer, ids),
        marks,
        places,
        starts,
        ends,
        starts.with_flat_values(tf.gather(seen, window)),
    )


def _words_of(texts, begins, behinds) -> tuple[tf.RaggedTensor, ...]:
    """Words that have a first token: (start, end, number of that token), int32 [n,
    (words)]."""
    starts, ends = word_offsets(texts)
    rows, pieces = starts.value_rowids(), begins.value_rowids()
    behind = _key(pieces, behinds.flat_values)
    first = tf.searchsorted(behind, _key(rows, starts.flat_values), side="right")
    # one more, so that there always is one
    begin = tf.pad(_key(pieces, begins.flat_values), [[0, 1]], constant_values=1 << 62)
    has = tf.gather(begin, first) < _key(rows, ends.flat_values)
    start, end, rows, first = (
        tf.boolean_mask(x, has)
        for x in (starts.flat_values, ends.flat_values, rows, first)
    )
    new = tf.pad(first[1:] != first[:-1], [[1, 0]], constant_values=True)[
        : tf.size(first)
    ]
    groups = tf.cumsum(tf.cast(new, tf.int32)) - 1
    end = tf.math.segment_max(end, groups)
    rows = tf.boolean_mask(rows, new)
    first = tf.boolean_mask(first, new)
    first -= tf.cast(tf.gather(begins.row_starts(), rows), tf.int32)

    def ragged(values):
        return tf.RaggedTensor.from_value_rowids(
            values, rows, nrows=starts.nrows(), validate=False
        )

    return ragged(tf.boolean_mask(start, new)), ragged(end), ragged(first)


def _at_words(firsts, owner, begin, end, sizes, far: int) -> tuple:
    """Windows that begin and end between words, where one does nearby."""
    owner64 = tf.cast(owner, tf.int64)
    words = _key(firsts.value_rowids(), firsts.flat_values)
    words = tf.concat([[-1], words, [1 << 62]], axis=0)
    wanted = _key(owner64, begin)
    later = tf.gather(words, tf.searchsorted(words, wanted, side="left"))
    shift = tf.where((begin > 0) & (later - wanted <= far), later - wanted, 0)
    wanted = _key(owner64, end)
    earlier = tf.gather(words, tf.searchsorted(words, wanted, side="right") - 1)
    inside = (end < tf.gather(sizes, owner)) & (wanted - earlier <= far)
    cut = tf.where(inside, wanted - earlier, 0)
    return begin + tf.cast(shift, tf.int32), end - tf.cast(cut, tf.int32)


def _key(rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Numbers that grow with the row, and in it with the place, int64."""
    return tf.cast(rows, tf.int64) * _FAR + tf.cast(places, tf.int64)

"""Long contexts as overlapping windows, each behind the question about them."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.text.framing import frame, joined, separator_ids


class Passages(NamedTuple):
    """Windows of contexts, some rows for each of them, one after another.

    Of a token that is in several windows, the one that has most around it is the one to
    be asked (Devlin et al., 2019).

    Attributes:
        rows: [CLS] question [SEP] window [SEP], int32 [rows, (length)].
        segments: 1 from the window on, else 0; int32 [rows, (length)].
        owners: which context the window is of; int32 [rows], never falling.
        first: its first token, as a number in the context; int32 [rows].
        sizes: its tokens; int32 [rows].
        before: tokens of the row before the window; int32 [rows].
        asked: the tokens to ask it about, from and to, as numbers in the context; int32
            [rows, 2].
    """

    rows: tf.RaggedTensor
    segments: tf.RaggedTensor
    owners: tf.Tensor
    first: tf.Tensor
    sizes: tf.Tensor
    before: tf.Tensor
    asked: tf.Tensor


def passages(
    tokenizer,
    questions: tf.RaggedTensor,
    contexts: tf.RaggedTensor,
    max_length: int,
    overlap: int,
) -> Passages:
    """Cuts contexts into windows, inside a graph.

    Args:
        tokenizer: of the ids.
        questions: int32 [n, (length)]; of one that takes more than half of a row the
            beginning counts.
        contexts: int32 [n, (length)]; one without tokens has a window without tokens.
        max_length: tokens of a row.
        overlap: tokens that a window shares with the next; half of a window at most.
            The last window ends with the context and may share more.

    Raises:
        ValueError: a row has no room for a question and a window.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> question, context = (
    ...     tf.ragged.constant([[9]]),
    ...     tf.ragged.constant([[4, 5, 6, 7]]),
    ... )
    >>> found = passages(ByteTokenizer(), question, context, max_length=7, overlap=1)
    >>> found.rows.to_list(), found.asked.numpy().tolist()
    ([[1, 9, 2, 4, 5, 6, 2], [1, 9, 2, 5, 6, 7, 2]], [[0, 2], [2, 4]])
    """
    opening, closing = map(len, frame(tokenizer))
    inner = len(separator_ids(tokenizer))
    space = max_length - opening - inner - closing
    if space < 2:
        raise ValueError(
            f"rows of {max_length} tokens have no room for a question and a window"
        )
    questions = questions[:, : space // 2]
    places = space - _int32(questions.row_lengths())
    lengths = _int32(contexts.row_lengths())
    steps = places - tf.minimum(overlap, places // 2)
    counts = 1 + tf.maximum(0, -((places - lengths) // steps))  # rounded up

    owners = tf.repeat(tf.range(tf.size(counts)), counts)
    number = tf.ragged.range(counts).flat_values
    places, lengths, steps, counts = (
        tf.gather(x, owners) for x in (places, lengths, steps, counts)
    )
    first = tf.minimum(number * steps, tf.maximum(lengths - places, 0))
    end = tf.minimum(first + places, lengths)
    middles = (first + tf.concat([[0], end[:-1]], 0)) // 2  # of what two windows share
    asked_from = tf.where(number == 0, 0, middles)
    asked_to = tf.where(
        number == counts - 1, lengths, tf.concat([asked_from[1:], [0]], 0)
    )

    begin = tf.gather(_int32(contexts.row_starts()), owners)
    index = tf.ragged.range(begin + first, begin + end, row_splits_dtype=tf.int64)
    windows = index.with_flat_values(tf.gather(contexts.flat_values, index.flat_values))
    questions = tf.gather(questions, owners)
    rows, segments = joined(tokenizer, questions, windows, max_length)
    before = opening + _int32(questions.row_lengths()) + inner
    asked = tf.stack([asked_from, asked_to], axis=1)
    return Passages(rows, segments, owners, first, end - first, before, asked)


def _int32(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.int32)

"""Tokens that must or must not be written, whatever the model says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Constraints:
    """Rules over the next token. Unlike `Sampling`, other rules are another graph.

    Attributes:
        never: ids that are not written (Marian: its padding), and sequences of ids.
        first: the id of the first token (BART: the one that opens texts).
        last: the id of the last token that there is room for.
        no_repeat_ngram_size: no sequence of so many tokens is written twice (0: any
            may be), whatever the prompt has. Paulus et al., 2018.
    """

    never: tuple[int | tuple[int, ...], ...] = ()
    first: int | None = None
    last: int | None = None
    no_repeat_ngram_size: int = 0

    def __post_init__(self):
        if self.no_repeat_ngram_size < 0:
            raise ValueError(
                f"no_repeat_ngram_size must be at least 0, got "
                f"{self.no_repeat_ngram_size}"
            )

    def apply(
        self,
        scores: tf.Tensor,
        tokens: tf.Tensor,
        step: tf.Tensor,
        limit: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Scores with -inf at the tokens that the rules exclude, 0 at a forced one.

        Args:
            scores: float32 [rows, vocabulary].
            tokens: int32 [rows, capacity], the text so far.
            step: int32 scalar, tokens of the text.
            limit: int32 scalar, tokens that there is room for.

        >>> rules = Constraints(never=(0,), no_repeat_ngram_size=2)
        >>> text = tf.constant([[1, 2, 1, 0]])
        >>> rules.apply(tf.zeros([1, 4]), text, tf.constant(3)).numpy().tolist()
        [[-inf, 0.0, -inf, 0.0]]
        """
        ids = tf.range(tf.shape(scores)[1])
        for token in self.never:
            *before, last = (token,) if isinstance(token, int) else token
            here = tf.fill([tf.shape(scores)[0], 1], step >= len(before))
            for i, earlier in enumerate(before):
                place = tf.maximum(step - len(before) + i, 0)
                here &= tf.gather(tokens, place, axis=1)[:, None] == earlier
            scores = tf.where(here & (ids == last), -float("inf"), scores)
        if self.no_repeat_ngram_size:
            repeated = repeating(
                tokens, step, self.no_repeat_ngram_size, tf.shape(scores)[1]
            )
            scores = tf.where(repeated, -float("inf"), scores)
        for only, here in (
            (self.first, step == 0),
            (self.last, False if limit is None else step == limit - 1),
        ):
            if only is not None:
                forced = tf.where(ids == only, 0.0, -float("inf"))
                scores = tf.where(here, forced[None], scores)
        return scores


def ids_or_sequences(
    never: Sequence[int | Sequence[int]],
) -> tuple[int | tuple[int, ...], ...]:
    """What `Constraints.never` takes, of lists as JSON has them.

    >>> ids_or_sequences([3, [4, 5]])
    (3, (4, 5))
    """
    return tuple(x if isinstance(x, int) else tuple(x) for x in never)


def not_yet(
    scores: tf.Tensor,
    stop_ids: tf.Tensor | Sequence[int],
    step: tf.Tensor,
    least: tf.Tensor,
) -> tf.Tensor:
    """Scores with -inf at what ends a text that has too few tokens.

    Args:
        scores: float32 [rows, vocabulary].
        stop_ids: int32 [n], ids that end a text.
        step: int32 scalar, tokens of the text; or [rows, 1].
        least: int32 scalar, tokens before its end; or [rows, 1].

    >>> not_yet(tf.zeros([1, 3]), (2,), tf.constant(4), tf.constant(5)).numpy()
    array([[  0.,   0., -inf]], dtype=float32)
    """
    ids = tf.range(tf.shape(scores)[1])[:, None]
    stops = tf.reduce_any(ids == tf.convert_to_tensor(stop_ids, tf.int32), axis=1)
    return tf.where(stops & (step < least), -float("inf"), scores)


def repeating(
    tokens: tf.Tensor, step: tf.Tensor, size: int, vocabulary: int | tf.Tensor
) -> tf.Tensor:
    """Which next tokens would complete a sequence that is in the text already.

    Args:
        tokens: int32 [rows, capacity], the text so far.
        step: int32 scalar, tokens of the text.
        size: tokens of the sequence.
        vocabulary: number of tokens.

    Returns:
        bool [rows, vocabulary].
    """
    capacity = tf.shape(tokens)[1]
    same = tf.range(capacity)[None] + size <= step
    for i in range(size - 1):
        latest = tf.gather(tokens, tf.maximum(step - size + 1 + i, 0), axis=1)
        same = same & (tf.roll(tokens, -i, axis=1) == latest[:, None])
    return marked(
        tf.where(same, tf.roll(tokens, 1 - size, axis=1), vocabulary), vocabulary
    )


def marked(tokens: tf.Tensor, vocabulary: int | tf.Tensor) -> tf.Tensor:
    """Which tokens of a vocabulary are in rows, bool [rows, vocabulary].

    Args:
        tokens: int32 [rows, length]; `vocabulary` itself is none of it.
        vocabulary: number of tokens.

    >>> marked(tf.constant([[1, 1], [0, 3]]), 3).numpy().tolist()
    [[False, True, False], [True, False, False]]
    """
    rows = tf.shape(tokens)[0]
    places = tf.range(rows)[:, None] * (vocabulary + 1) + tokens
    hits = tf.tensor_scatter_nd_update(
        tf.zeros([rows * (vocabulary + 1)], tf.bool),
        tf.reshape(places, [-1, 1]),
        tf.ones([tf.size(places)], tf.bool),
    )
    return tf.reshape(hits, [rows, vocabulary + 1])[:, :-1]

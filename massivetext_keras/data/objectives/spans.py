"""Spans that were left out of a text, to be written: how T5 learns from text alone."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from massivetext_keras.data.objectives.base import objective
from massivetext_keras.data.objectives.denoising import Denoising, check_shares
from massivetext_keras.support.values import setting

_SENTINELS = 100  # as many as T5 has
_FIRST = "<extra_id_0>"


@objective("spans")
@dataclasses.dataclass(frozen=True)
class Spans(Denoising):
    """Spans of a text are left out, and written one after another; see
    `SpanCorruption`.

    Attributes:
        density: share of the tokens that are left out.
        mean_length: their mean number in a span.
        sentinel_id: what stands for the first span, see `SpanCorruption` (None: the
            tokenizer's `<extra_id_0>`, or else the last token that the model embeds).
    """

    density: float = setting(0.15, above=0, most=0.5)
    mean_length: float = setting(3.0, least=1)
    sentinel_id: int | None = setting(None, least=0)

    def extra_tokens(self, tokenizer):
        if self.sentinel_id is None and tokenizer.token_to_id(_FIRST) is None:
            return _SENTINELS
        return 0

    def damage(self, task):
        tokenizer = task.need_tokenizer()
        first = self.sentinel_id
        if first is None:
            first = tokenizer.token_to_id(_FIRST)
        if first is None:
            first = task.config.vocabulary_size - 1
            if first < tokenizer.vocabulary_size:
                raise ValueError(
                    "objective 'spans' needs tokens that stand for spans: the "
                    f"tokenizer has no {_FIRST}, and the model embeds no more than "
                    f"its {tokenizer.vocabulary_size} tokens: set "
                    "data.objective_options.sentinel_id, or a model.vocabulary_size "
                    f"of {tokenizer.vocabulary_size + _SENTINELS}"
                )
        return SpanCorruption(first, self.density, self.mean_length)


@dataclasses.dataclass(frozen=True)
class SpanCorruption:
    """T5's objective: spans are left out and written in place of what was kept.

    Raffel et al., 2020, https://arxiv.org/abs/1910.10683, section 3.1.4.

    Attributes:
        sentinel_id: what stands for the first span; those of the next ones lie below
            it, as `<extra_id_0>` and so on do in T5's vocabulary.
        density: share of the tokens that are left out.
        mean_span: their mean number in a span.
    """

    sentinel_id: int
    density: float = 0.15
    mean_span: float = 3.0

    def __post_init__(self):
        check_shares(self.density, self.mean_span)

    def spans(self, length: int) -> tuple[int, int]:
        """Tokens left out of `length`, and the spans they make."""
        count = min(max(round(length * self.density), 1), length - 1)
        spans = max(round(count / self.mean_span), 1)
        return count, min(spans, count, length - count)

    def __call__(self, tokens: tf.Tensor, seed: tf.Tensor) -> tuple:
        """Texts to sources and targets, which all have the same lengths.

        Args:
            tokens: int32 [batch, length], of a static length.
            seed: int [2].

        Returns:
            int32 [batch, kept + spans] and [batch, left out + spans].

        >>> corrupt = SpanCorruption(sentinel_id=99, density=0.4, mean_span=2.0)
        >>> corrupt(tf.range(1, 11)[None], tf.constant([0, 0]))[0].numpy().tolist()
        [[1, 2, 3, 4, 5, 99, 8, 98]]
        """
        rows, length = tf.shape(tokens)[0], tokens.shape[1]
        count, spans = self.spans(length)
        seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
        kept = _parts(rows, length - count, spans, seeds[0])
        left_out = _parts(rows, count, spans, seeds[1])
        lengths = tf.reshape(tf.stack([kept, left_out], 2), [rows, 2 * spans])
        ends = tf.cumsum(lengths, axis=1)
        starts = ends - lengths
        places = tf.range(length)[None, :, None]
        part = tf.reduce_sum(tf.cast(places >= ends[:, None], tf.int32), 2)
        first = tf.gather(starts, part, batch_dims=1) == tf.range(length)
        sentinels = self.sentinel_id - part // 2
        sides = []
        for hidden in (part % 2 == 1, part % 2 == 0):
            side = tf.where(hidden, sentinels, tokens)
            side = tf.boolean_mask(side, ~hidden | first)
            sides.append(tf.reshape(side, [rows, -1]))
        sides[0].set_shape([None, length - count + spans])
        sides[1].set_shape([None, count + spans])
        return tuple(sides)


def _parts(rows: tf.Tensor, total: int, count: int, seed: tf.Tensor) -> tf.Tensor:
    """`total` cut at random into `count` parts of 1 or more, int32 [rows, count]."""
    noise = tf.random.stateless_uniform([rows, total - 1], seed)
    rank = tf.argsort(tf.argsort(noise, axis=1), axis=1)
    begins = tf.pad(tf.cast(rank < count - 1, tf.int32), [[0, 0], [1, 0]])
    part = tf.cumsum(begins, axis=1)
    return tf.reduce_sum(tf.one_hot(part, count, dtype=tf.int32), 1)

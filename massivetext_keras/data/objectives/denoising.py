"""Damaged texts to be restored: how encoder-decoders learn from text alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.windows import ordered_windows, shuffled_windows
from massivetext_keras.data.objectives.pairs import enclosed, pair_example
from massivetext_keras.text.framing import padded


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
        _check(self)

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


@dataclasses.dataclass(frozen=True)
class Infilling:
    """BART's objective: spans become one mask each, sentences another order.

    Lewis et al., 2020, https://arxiv.org/abs/1910.13461, section 2.2.

    Attributes:
        mask_id: what stands for a span. One without tokens is a mask that was added.
        density: share of the tokens that are in spans.
        mean_span: their mean number in a span (Poisson).
        sentence_ends: ids that end a sentence; without any, sentences stay in order.
    """

    mask_id: int
    density: float = 0.3
    mean_span: float = 3.0
    sentence_ends: tuple[int, ...] = ()

    def __post_init__(self):
        _check(self)

    def __call__(self, tokens: tf.Tensor, seed: tf.Tensor) -> tuple:
        """Texts to sources and targets; the targets are the texts.

        Args:
            tokens: int32 [batch, length], of a static length.
            seed: int [2].

        Returns:
            Sources, ragged int32 [batch, (at most length)], and `tokens`.

        >>> texts = tf.range(1, 9)[None]
        >>> infill = Infilling(mask_id=0, density=0.5)
        >>> infill(texts, tf.constant([0, 0]))[0].to_list()
        [[0, 2, 3, 4, 0, 8]]
        """
        seeds = tf.random.split(tf.cast(seed, tf.int32), 3)
        source = tokens
        if self.sentence_ends:
            source = permute_sentences(tokens, seeds[0], self.sentence_ends)
        rows, length = tf.shape(tokens)[0], tokens.shape[1]
        count = round(length * self.density)
        # Spans are drawn until there are `count` tokens in them, the last one is cut.
        drawn = tf.random.stateless_poisson(
            [rows, count], seeds[1], self.mean_span, tf.int32
        )
        total = tf.cumsum(drawn, axis=1)
        used = total - drawn < count
        spans = tf.where(used, tf.minimum(drawn, count - (total - drawn)), 0)
        # What is still missing joins the last span, if ever.
        missing = count - tf.reduce_sum(spans, 1, keepdims=True)
        spans += missing * tf.one_hot(count - 1, count, dtype=tf.int32)
        # Each is put into a gap of its own between the tokens that stay.
        gaps = length - count + 1
        noise = tf.random.stateless_uniform([rows, gaps], seeds[2])
        rank = tf.argsort(tf.argsort(noise, axis=1), axis=1)
        known = tf.minimum(rank, count - 1)
        filled = tf.gather(used, known, batch_dims=1) & (rank < count)
        size = tf.where(filled, tf.gather(spans, known, batch_dims=1), 0)
        place = tf.range(gaps)[None] + tf.cumsum(size, axis=1)
        stays = tf.gather(source, tf.minimum(place, length - 1), batch_dims=1)
        pairs = tf.stack([tf.fill(tf.shape(stays), self.mask_id), stays], 2)
        real = tf.broadcast_to(tf.range(gaps) < gaps - 1, tf.shape(filled))
        keep = tf.reshape(tf.stack([filled, real], 2), [rows, -1])
        return tf.ragged.boolean_mask(tf.reshape(pairs, [rows, -1]), keep), tokens


def permute_sentences(
    tokens: tf.Tensor, seed: tf.Tensor, ends: tuple[int, ...]
) -> tf.Tensor:
    """Sentences in a random order, int32 [batch, length] -> int32 [batch, length].

    >>> permute_sentences(tf.constant([[1, 9, 2, 9, 3]]), [0, 1], (9,)).numpy().tolist()
    [[1, 9, 3, 2, 9]]
    """
    is_end = tf.reduce_any(tokens[:, :, None] == tf.constant(ends, tokens.dtype), 2)
    sentence = tf.cumsum(tf.cast(is_end, tf.int32), axis=1, exclusive=True)
    noise = tf.random.stateless_uniform(tf.shape(tokens), seed)
    order = tf.argsort(tf.gather(noise, sentence, batch_dims=1), axis=1, stable=True)
    return tf.gather(tokens, order, batch_dims=1)


def denoising_batches(
    tokens: np.ndarray,
    batch_size: int,
    sequence_length: int,
    damage: SpanCorruption | Infilling,
    tokenizer,
    start_id: int,
    seed: int | None = 0,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches for pretraining, each a function of the seed and its number.

    Args:
        tokens: int32 [tokens], from `encode_documents`.
        batch_size: windows per batch.
        sequence_length: tokens of a window before damage.
        damage: what is done to it.
        tokenizer: says what a text is enclosed in.
        start_id: what the decoder reads first.
        seed: of the windows and damage of endless training batches (None: all full
            windows once, in order, damaged in one way for good).
        start: number of the first training batch.

    Returns:
        Dataset of `(features, labels, loss weights)` as `pair_batches` gives.

    Raises:
        ValueError: there are not enough tokens for one window.
    """

    def example(k, windows, real=None):
        seeds = tf.cast(tf.stack([np.int64(seed or 0), k]), tf.int32)
        sides = []
        for side in damage(windows, seeds):
            width = (side.shape[1] or sequence_length) + 1 + tokenizer.add_bos
            if not isinstance(side, tf.RaggedTensor):
                side = tf.RaggedTensor.from_tensor(side)
            rows = padded(tokenizer, enclosed(tokenizer, side), width)
            sides += [tf.ensure_shape(x, [batch_size, width]) for x in rows.values()]
        features, labels, weights = pair_example(start_id, *sides)
        return features, labels, weights if real is None else weights * real[:, None]

    sizes = batch_size, sequence_length
    if seed is None:
        return ordered_windows(tokens, *sizes, example)
    return shuffled_windows(tokens, *sizes, example, 0, seed, start)


def _check(damage: SpanCorruption | Infilling) -> None:
    if not 0.0 < damage.density <= 0.5 or damage.mean_span < 1.0:
        raise ValueError(
            f"density must be in (0, 0.5] and mean_span at least 1, got "
            f"{damage.density} and {damage.mean_span}"
        )


def _parts(rows: tf.Tensor, total: int, count: int, seed: tf.Tensor) -> tf.Tensor:
    """`total` cut at random into `count` parts of 1 or more, int32 [rows, count]."""
    noise = tf.random.stateless_uniform([rows, total - 1], seed)
    rank = tf.argsort(tf.argsort(noise, axis=1), axis=1)
    begins = tf.pad(tf.cast(rank < count - 1, tf.int32), [[0, 0], [1, 0]])
    part = tf.cumsum(begins, axis=1)
    return tf.reduce_sum(tf.one_hot(part, count, dtype=tf.int32), 1)

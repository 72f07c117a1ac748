"""A damaged text, to be written whole: how BART learns from text alone."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from massivetext_keras.data.objectives.base import objective
from massivetext_keras.data.objectives.denoising import Denoising, check_shares
from massivetext_keras.support.values import setting


@objective("infilling")
@dataclasses.dataclass(frozen=True)
class TextInfilling(Denoising):
    """A mask stands for each of some spans, and the text is written; see `Infilling`.

    Attributes:
        density: share of the tokens that are in spans.
        mean_length: their mean number in a span (Poisson).
        sentence_ends: ids that end a sentence; without any, sentences stay in order.
        mask_id: what stands for a span (None: the tokenizer's mask, or else the first
            id behind the tokenizer's).
    """

    density: float = setting(0.3, above=0, most=0.5)
    mean_length: float = setting(3.0, least=1)
    sentence_ends: tuple[int, ...] = ()
    mask_id: int | None = setting(None, least=0)

    def extra_tokens(self, tokenizer):
        return int(self.mask_id is None and tokenizer.mask_id is None)

    def damage(self, task):
        tokenizer, mask_id = task.need_tokenizer(), self.mask_id
        if mask_id is None:
            mask_id = tokenizer.mask_id
        if mask_id is None:
            mask_id = tokenizer.vocabulary_size
        if mask_id >= task.config.vocabulary_size:
            raise ValueError(
                "objective 'infilling' needs a mask, which the model does not embed: "
                f"set a model.vocabulary_size of {mask_id + 1}"
            )
        ends = self.sentence_ends
        return Infilling(mask_id, self.density, self.mean_length, ends)


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
        check_shares(self.density, self.mean_span)

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

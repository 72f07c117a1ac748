"""What a masked language model learns from: tokens hidden at random, and their ids."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.windows import ordered_windows, shuffled_windows
from massivetext_keras.data.objectives.base import Objective, objective
from massivetext_keras.support.values import setting
from massivetext_keras.text.framing import frame, framed, max_text_tokens, text_ids
from massivetext_keras.tokenizers.base import Tokenizer


@objective("masked")
@dataclasses.dataclass(frozen=True)
class Masked(Objective):
    """Tokens hidden at random are to be told from those around them; see `Masking`.

    The task has a `mask_id`, and may have `sentences`, see `two_texts`.

    Attributes:
        mask_rate: share of the tokens that are chosen.
        mask_share: share of the chosen ones that are hidden.
        random_share: share of the chosen ones that become others.
        whole_words: all tokens of a word are chosen, or none.
    """

    batches = "hidden tokens"

    mask_rate: float = setting(0.15, above=0, below=1)
    mask_share: float = setting(0.8, least=0, most=1)
    random_share: float = setting(0.1, least=0, most=1)
    whole_words: bool = False

    def training(self, task, items, how):
        return self._batches(task, items, how, start=how.start)

    def validation(self, task, items, how):
        return self._batches(task, items, how, validation=True)

    def _batches(self, task, texts, how, **side):
        tokenizer = task.need_tokenizer()
        masking = Masking(
            tokenizer,
            task.mask_id,
            self.mask_rate,
            self.mask_share,
            self.random_share,
            self.whole_words,
        )
        return masked_batches(
            task.token_row(texts, how.progress, add_bos=False),
            how.rows,
            how.length or task.config.max_length,
            masking,
            getattr(task, "sentences", None),
            how.seed,
            **side,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """Hides tokens, others each time (Devlin et al., 2019; Liu et al., 2019).

    Of each row, `rate` of the tokens that stand for known text are chosen. Of these,
    `mask_share` become the mask, `random_share` become random tokens, and the others
    stay as they are.

    Args:
        tokenizer: tells special tokens, and where words begin.
        mask_id: hides a token.
        rate: share of the tokens that are chosen.
        mask_share: share of the chosen ones that are hidden.
        random_share: share of the chosen ones that become others.
        whole_words: all tokens of a word are chosen, or none; a word that would be cut
            is not.

    Raises:
        ValueError: a share is out of range.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> masking = Masking(ByteTokenizer(), 259, 0.5, mask_share=1.0, random_share=0.0)
    >>> row = tf.constant([[1, 65, 66, 67, 68, 2]])
    >>> features, labels, weights = masking(row, [0, 0])
    >>> features["token_ids"].numpy().tolist(), labels.numpy().tolist()
    ([[1, 259, 259, 67, 68, 2]], [[66, 65, 67]])
    >>> weights.numpy().tolist()
    [[1.0, 1.0, 0.0]]
    """

    tokenizer: Tokenizer
    mask_id: int
    rate: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    whole_words: bool = False

    def __post_init__(self):
        if not 0.0 < self.rate < 1.0:
            raise ValueError(f"the rate of masking must be in (0, 1), got {self.rate}")
        shares = self.mask_share, self.random_share
        if min(shares) < 0.0 or sum(shares) > 1.0:
            raise ValueError(f"mask_share and random_share are no shares: {shares}")

    def most(self, length: int) -> int:
        """Tokens that are chosen of a row of so many, at the most."""
        return min(max(1, round(self.rate * length)), length - 1)

    def __call__(self, token_ids: tf.Tensor, seeds) -> tuple:
        """Hides tokens of rows, always the same with the same seeds.

        Args:
            token_ids: int32 [batch, length], framed; the length is static, at least 2.
            seeds: two integers.

        Returns:
            Features `token_ids` and `masked_positions`, int32 [batch, n], where n is
            `most(length)`; the ids that were there, int32 [batch, n]; and weights,
            float32 [batch, n], 0 where a row has fewer chosen tokens.
        """
        batch, length = token_ids.shape
        most = self.most(length)
        first, second, third = tf.unstack(
            tf.random.experimental.stateless_split(seeds, 3)
        )
        ordinary = text_ids(self.tokenizer)
        size = max(self.mask_id, self.tokenizer.vocabulary_size - 1) + 1
        is_text = np.isin(np.arange(size), ordinary)
        text = tf.gather(tf.constant(is_text), token_ids)
        words = self._words(token_ids, text)
        scores = tf.random.stateless_uniform([batch, length], first)
        scores = tf.where(text, tf.gather(scores, words, batch_dims=1), -1.0)
        # One more than needed shows whether the last word is whole.
        _, positions = tf.math.top_k(scores, most + 1)
        count = tf.reduce_sum(tf.cast(text, tf.float32), axis=1, keepdims=True)
        wanted = tf.minimum(tf.cast(tf.round(self.rate * count), tf.int32), most)
        wanted = tf.where(count > 0, tf.maximum(wanted, 1), 0)
        word = tf.gather(words, positions, batch_dims=1)
        cut = tf.gather(word, wanted, batch_dims=1)
        chosen = (tf.range(most + 1) < wanted) & (word != cut)
        positions, chosen = positions[:, :most], chosen[:, :most]

        labels = tf.gather(token_ids, positions, batch_dims=1)
        lot = tf.random.stateless_uniform([batch, most], second)
        other = tf.random.stateless_uniform(
            [batch, most], third, 0, len(ordinary), tf.int32
        )
        other = tf.gather(tf.constant(ordinary), other)
        new = tf.where(lot < self.mask_share + self.random_share, other, labels)
        new = tf.where(lot < self.mask_share, self.mask_id, new)
        new = tf.where(chosen, new, labels)
        features = {
            "token_ids": scatter(token_ids, positions, new),
            "masked_positions": positions,
        }
        return features, labels, tf.cast(chosen, tf.float32)

    def _words(self, token_ids: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
        """The number of each token's word in its row, int32 [batch, length]."""
        if not self.whole_words:
            return tf.zeros_like(token_ids) + tf.range(token_ids.shape[1])
        begins = self.tokenizer.begins_word()
        begins += [True] * (self.mask_id + 1 - len(begins))
        after_special = tf.pad(~text[:, :-1], [[0, 0], [1, 0]], constant_values=True)
        begin = tf.gather(tf.constant(begins), token_ids) | ~text | after_special
        return tf.cumsum(tf.cast(begin, tf.int32), axis=1) - 1


def scatter(rows: tf.Tensor, positions: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Replaces what is at some positions of each row.

    Args:
        rows: [batch, length].
        positions: int32 [batch, n], different ones.
        values: [batch, n].

    >>> scatter(
    ...     tf.zeros([1, 4]), tf.constant([[2, 0]]), tf.constant([[1.0, 3.0]])
    ... ).numpy()
    array([[3., 0., 1., 0.]], dtype=float32)
    """
    numbers = tf.zeros_like(positions) + tf.range(tf.shape(rows)[0])[:, None]
    return tf.tensor_scatter_nd_update(rows, tf.stack([numbers, positions], -1), values)


def masked_batches(
    tokens: np.ndarray,
    batch_size: int,
    sequence_length: int,
    masking: Masking,
    sentences: str | None = None,
    seed: int = 0,
    start: int = 0,
    validation: bool = False,
) -> tf.data.Dataset:
    """Batches of windows over one row of tokens, framed, with tokens hidden.

    Batch k is a function of the seed and k.

    Args:
        tokens: int32 [tokens], see `encode_documents`.
        batch_size: rows of a batch.
        sequence_length: tokens of a row, frame included.
        masking: what is hidden.
        sentences: "next" or "order", see `two_texts` (None: a row is one text).
        seed: of order and masks.
        start: number of the first batch of training.
        validation: every window once, in order; what is missing in the last batch has
            loss weight 0.

    Returns:
        Dataset of (features, labels, weights), see `Masking`; endless unless for
        validation.

    Raises:
        ValueError: there are not enough tokens for one window.
    """
    tokenizer = masking.tokenizer
    length = max_text_tokens(tokenizer, sequence_length)
    if sentences is not None:
        length -= 1
    if length < 2:
        raise ValueError(f"sequence_length {sequence_length} has no room for text")

    def example(k, windows, real=None):
        seeds = tf.stack([np.int64(seed), k])
        more = {}
        if sentences is not None:
            windows, more = two_texts(tokenizer, windows, sentences, seeds)
        rows = framed(tokenizer, windows)
        rows = tf.ensure_shape(rows, [batch_size, sequence_length])
        features, labels, weights = masking(rows, seeds)
        if real is not None:
            weights = weights * real[:, None]
        return {**features, **more}, labels, weights

    if not validation:
        return shuffled_windows(
            tokens, batch_size, length, example, seed=seed, start=start
        )
    return ordered_windows(tokens, batch_size, length, example)


def two_texts(tokenizer, windows: tf.Tensor, objective: str, seeds) -> tuple:
    """Cuts windows in two texts, of which half do not follow each other.

    The texts are spans of tokens, as BERT's "sentences" are.

    Args:
        tokenizer: its `eos_id` goes between the two.
        windows: int32 [batch, n], at least 2 tokens.
        objective: "next": the second may be that of the row before (Devlin et al.,
            2019); "order": they may have changed places (Lan et al., 2020).
        seeds: two integers.

    Returns:
        int32 [batch, n + 1]; and the features `segment_ids` of the framed rows, and
        `sentence_labels`, int32 [batch], 0 where the second follows the first.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> rows, more = two_texts(
    ...     ByteTokenizer(), tf.constant([[5, 6, 7, 8]]), "order", [0, 1]
    ... )
    >>> rows.numpy().tolist(), more["sentence_labels"].numpy().tolist()
    ([[7, 8, 2, 5, 6]], [1])
    >>> more["segment_ids"].numpy().tolist()
    [[0, 0, 0, 0, 1, 1, 1]]
    """
    batch, length = windows.shape
    lot, place = tf.unstack(tf.random.stateless_uniform([2, batch, 1], seeds))
    wrong = lot < 0.5
    least = max(1, length // 4)
    cut = least + tf.cast(place * (length - 2 * least + 1), tf.int32)
    index = tf.range(length)[None]
    if objective == "order":
        turned = tf.gather(windows, (index + cut) % length, batch_dims=1)
        cut, other = tf.where(wrong, length - cut, cut), turned
    else:
        other = tf.where(index < cut, windows, tf.roll(windows, 1, axis=0))
    windows = tf.where(wrong, other, windows)

    index = tf.range(length + 1)[None]
    windows = tf.pad(windows, [[0, 0], [0, 1]])
    later = tf.pad(windows[:, :-1], [[0, 0], [1, 0]])
    rows = tf.where(
        index < cut, windows, tf.where(index == cut, tokenizer.eos_id, later)
    )
    before, after = map(len, frame(tokenizer))
    second = tf.cast(tf.range(length + 1 + before + after) - before > cut, tf.int32)
    labels = tf.cast(wrong[:, 0], tf.int32)
    return rows, {"segment_ids": second, "sentence_labels": labels}

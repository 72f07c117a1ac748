"""Pairs of texts that belong together, for embeddings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches, mapped
from massivetext_keras.data.batching.windows import shuffled
from massivetext_keras.data.objectives.base import Objective, objective
from massivetext_keras.text.framing import framed, max_text_tokens, padded

_TEXTS_AT_ONCE = 1024


@objective("contrast")
@dataclasses.dataclass(frozen=True)
class Contrast(Objective):
    """Of two texts that belong together the second is to be found among all second
    texts of the batch (Henderson et al., 2017).

    The task may say how long texts are (`longest`), and that they are read in lower
    case (`lowercase`).

    Attributes:
        itself: pair a text that has no second one with itself, of which dropout makes
            two (SimCSE; Gao et al., 2021); otherwise it is an error.
    """

    reads = "examples"
    batches = "pairs of texts"
    share_held_out = 0.0

    itself: bool = False

    def training(self, task, items, how):
        return self._batches(task, items, how, seed=how.seed, start=how.start)

    def validation(self, task, items, how):
        return self._batches(task, items, how, validation=True)

    def _batches(self, task, items, how, **side):
        pairs = [_with_itself(item) for item in items] if self.itself else items
        if getattr(task, "lowercase", False):
            pairs = [tuple(map(str.lower, pair)) for pair in pairs]
        length = how.length or getattr(task, "longest", task.config.max_length)
        tokenizer = task.need_tokenizer()
        return contrastive_batches(tokenizer, pairs, how.rows, length, **side)


def _with_itself(item):
    """Two texts; of one alone, that one twice."""
    if isinstance(item, str):
        return item, item
    if len(item) == 2 and isinstance(item[0], str) and item[1] is None:
        return item[0], item[0]
    return item


def encode_texts(tokenizer, texts: Sequence[str], length: int) -> np.ndarray:
    """Framed and padded rows; of a text that is too long, the beginning.

    Args:
        tokenizer: strings to ids.
        texts: n strings.
        length: tokens of a row at the most; rows are as long as the longest.

    Returns:
        int32 [2, n, length], ids and padding masks.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> encode_texts(ByteTokenizer(), ["abcd", ""], length=4).tolist()
    [[[1, 100, 101, 2], [1, 2, 0, 0]], [[1, 1, 1, 1], [1, 1, 0, 0]]]
    """
    parts = []
    for i in range(0, len(texts), _TEXTS_AT_ONCE):
        ids = tokenizer.tokenize(tf.constant(list(texts[i : i + _TEXTS_AT_ONCE])))
        rows = framed(tokenizer, ids[:, : max_text_tokens(tokenizer, length)])
        parts.append(np.stack(list(padded(tokenizer, rows, length).values())))
    rows = np.concatenate(parts, axis=1)
    return rows[:, :, : max(1, int(rows[1].sum(axis=1).max()))]


def contrastive_batches(
    tokenizer,
    pairs: Sequence[tuple[str, str]],
    batch_size: int,
    length: int,
    seed: int = 0,
    start: int = 0,
    validation: bool = False,
) -> tf.data.Dataset:
    """Batches of pairs of texts; batch k is a function of the seed and k.

    Args:
        tokenizer: strings to ids.
        pairs: texts that belong together.
        batch_size: pairs of a batch.
        length: tokens of a row at the most.
        seed: of the order.
        start: number of the first batch of training.
        validation: every pair once, in order; the last batch may have fewer.

    Returns:
        Dataset of `token_ids` and `padding_mask`, int32 [batch, 2, length]; labels,
        int32 [batch]: which of the batch's second texts belongs to the first; and loss
        weights, float32 [batch]. Endless unless for validation.

    Raises:
        ValueError: there are no pairs.
    """
    if not pairs:
        raise ValueError("there are no pairs of texts")
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise ValueError(f"not a pair of texts: {pair!r}")
    flat = encode_texts(tokenizer, [text for pair in pairs for text in pair], length)
    rows = np.moveaxis(flat.reshape(2, len(pairs), 2, -1), 0, 1)  # pair, ids or mask

    def example(rows):
        features = {"token_ids": rows[:, 0], "padding_mask": rows[:, 1]}
        count = tf.shape(rows)[0]
        return features, tf.range(count), tf.ones([count])

    if validation:
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
        return mapped(batches, example).prefetch(2)
    table = tf.constant(rows)
    shape = [batch_size, *rows.shape[1:]]

    def batch(k):
        index = k * batch_size + tf.range(batch_size, dtype=tf.int64)
        places = tf.map_fn(
            lambda i: shuffled(i, len(pairs), seed)[0],
            index,
            fn_output_signature=tf.int32,
        )
        return example(tf.ensure_shape(tf.gather(table, places), shape))

    per_epoch = -(-len(pairs) // batch_size)
    return TrainingBatches(batch, per_epoch, start, endless=True)

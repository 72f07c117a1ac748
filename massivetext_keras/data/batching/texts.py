"""One text to a row, those of like length together: for fine-tuning on short texts."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from massivetext_keras.data.batching.buckets import Batches, BucketedRows
from massivetext_keras.data.batching.packing import cut
from massivetext_keras.text.documents import encoded_documents


def text_batches(
    tokenizer,
    texts: Iterable[str],
    batch_tokens: int,
    max_length: int,
    seed: int | None = 0,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches that predict every token of a text but its first, a text to a row.

    Args:
        tokenizer: strings to ids; see `encoded_documents`.
        texts: one with more tokens than fit is cut as `cut` does.
        batch_tokens: tokens of a batch, padding included.
        max_length: predictions of a row, at the most.
        seed: of the endless shuffled batches of training (None: every text once).
        start: number of the first training batch.

    Returns:
        Dataset of features `token_ids` and `padding_mask`, int32 [batch, length];
        labels, int32; loss weights, float32. Shapes differ from batch to batch.

    Raises:
        ValueError: no text has two tokens, or `batch_tokens` is less than a row needs.

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> ((features, labels, weights),) = text_batches(
    ...     ByteTokenizer(), ["ab", "c"], 8, 4, seed=None
    ... )
    >>> features["token_ids"].numpy().tolist(), labels.numpy().tolist()
    ([[100, 101], [102, 0]], [[101, 2], [2, 0]])
    """
    batches = text_rows(tokenizer, texts, max_length, batch_tokens)
    if seed is None:
        return batches.validation()
    batches.rows.log("texts")
    return batches.training(seed, start)


def text_rows(
    tokenizer, texts: Iterable[str], max_length: int, batch_tokens: int
) -> Batches:
    """What `text_batches` makes batches of; the arguments are the same."""
    rows = [
        piece
        for some in encoded_documents(tokenizer, texts)
        for ids in some
        for piece in cut(ids, max_length)
    ]
    return Batches(BucketedRows([rows], batch_tokens), text_example)


def text_example(ids: tf.Tensor, mask: tf.Tensor) -> tuple:
    """Rows of ids and their mask, int32 [batch, length + 1], as a batch for `fit`."""
    mask = mask[:, 1:]
    features = {"token_ids": ids[:, :-1] * mask, "padding_mask": mask}
    return features, ids[:, 1:], tf.cast(mask, tf.float32)

"""One text to a row, those of like length together: for fine-tuning on short texts."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from massivetext_keras.data.buckets import BucketedRows
from massivetext_keras.data.documents import encoded_documents
from massivetext_keras.data.packing import cut


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
    rows = [
        piece
        for some in encoded_documents(tokenizer, texts)
        for ids in some
        for piece in cut(ids, max_length)
    ]
    batches = BucketedRows([rows], batch_tokens)
    if seed is None:
        return batches.validation(_example)
    batches.log("texts")
    return batches.training(_example, seed, start)


def _example(ids: tf.Tensor, mask: tf.Tensor) -> tuple:
    mask = mask[:, 1:]
    features = {"token_ids": ids[:, :-1] * mask, "padding_mask": mask}
    return features, ids[:, 1:], tf.cast(mask, tf.float32)

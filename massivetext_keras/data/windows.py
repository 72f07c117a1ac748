"""Windows over one long row of tokens: batch k is a function of the seed and k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

_DOCUMENTS_AT_ONCE = 64


def encode_documents(
    tokenizer, documents: Sequence[str], progress: bool = False
) -> np.ndarray:
    """All documents as one row of ids, each closed by the end-of-text id.

    Args:
        tokenizer: strings to ids; `bos_id` opens a document if it says `add_bos`, and
            `eos_id` closes it if there is one.
        documents: texts.
        progress: show a bar.

    Returns:
        int32 [tokens].

    >>> from massivetext_keras.tokenizers import ByteTokenizer
    >>> encode_documents(ByteTokenizer(), ["ab", "c"]).tolist()
    [100, 101, 2, 102, 2]
    """
    before = [tokenizer.bos_id] if tokenizer.add_bos else []
    after = [] if tokenizer.eos_id is None else [tokenizer.eos_id]
    encode = tf.function(
        tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    parts = []
    with tqdm(total=len(documents), unit="doc", disable=not progress) as bar:
        for i in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            some = documents[i : i + _DOCUMENTS_AT_ONCE]
            for row in encode(tf.constant(some)):
                parts += [before, row.numpy(), after]
            bar.update(len(some))
    return np.concatenate([np.asarray(part, np.int32) for part in parts])


def training_batches(
    tokens: np.ndarray,
    batch_size: int,
    sequence_length: int,
    seed: int = 0,
    start: int = 0,
) -> tf.data.Dataset:
    """Endless batches of windows, in an order that only depends on the seed.

    Each epoch cuts the row at another offset and goes through the windows in another
    order, every window once. Nothing but the number of the batch is state: to go on
    after a stop, give `start`.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        sequence_length: tokens per window.
        seed: of offsets and order.
        start: number of the first batch.

    Returns:
        Dataset of ({"token_ids": int32 [batch, length]}, labels int32, loss weights
        float32).

    Raises:
        ValueError: there are not enough tokens for one window.
    """
    _check_sizes(batch_size, sequence_length)
    spare = len(tokens) - 1 - sequence_length
    if spare < 0:
        raise ValueError(
            f"the text has {len(tokens)} tokens, too few for one window of "
            f"sequence_length {sequence_length} and its labels: lower sequence_length "
            f"or give more text"
        )
    windows = max(1, (len(tokens) - 1) // sequence_length - 1)
    slack = len(tokens) - 1 - windows * sequence_length
    row = tf.constant(tokens, tf.int32)

    def first_token(index):
        epoch, place = index // windows, tf.cast(index % windows, tf.int32)
        seeds = tf.stack([np.int64(seed), epoch])
        offset = tf.random.stateless_uniform([], seeds, 0, slack + 1, tf.int32)
        place = tf.random.experimental.index_shuffle(
            place, tf.cast(seeds, tf.int32), windows - 1
        )
        return offset + place * sequence_length

    def batch(k):
        index = k * batch_size + tf.range(batch_size, dtype=tf.int64)
        first = tf.map_fn(first_token, index, fn_output_signature=tf.int32)
        window = tf.gather(row, first[:, None] + tf.range(sequence_length + 1))
        return _example(window, tf.ones([batch_size, sequence_length]))

    batches = tf.data.Dataset.range(start, np.iinfo(np.int64).max)
    batches = batches.map(batch, num_parallel_calls=1).prefetch(2)
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return batches.apply(endless)


def validation_batches(
    tokens: np.ndarray, batch_size: int, sequence_length: int
) -> tf.data.Dataset:
    """Batches that predict every token but the first exactly once, in order.

    What is left of the last batch has loss weight 0.

    Args:
        tokens: int32 [tokens].
        batch_size: windows per batch.
        sequence_length: tokens per window.

    Raises:
        ValueError: there are fewer than two tokens.
    """
    _check_sizes(batch_size, sequence_length)
    count = len(tokens) - 1
    if count < 1:
        raise ValueError("the validation text has fewer than two tokens")
    in_batch = batch_size * sequence_length
    filler = -count % in_batch
    row = np.concatenate([np.asarray(tokens, np.int32), np.zeros(filler, np.int32)])
    shape = (-1, sequence_length)
    inputs, labels = row[:-1].reshape(shape), row[1:].reshape(shape)
    weights = (np.arange(count + filler) < count).astype(np.float32).reshape(shape)
    dataset = tf.data.Dataset.from_tensor_slices(
        ({"token_ids": inputs}, labels, weights)
    )
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)


def _check_sizes(batch_size: int, sequence_length: int) -> None:
    for name, value in (
        ("batch_size", batch_size),
        ("sequence_length", sequence_length),
    ):
        if value < 1:
            raise ValueError(f"{name} must be positive, got {value}")


def _example(window: tf.Tensor, weights: tf.Tensor) -> tuple:
    """Windows of n + 1 tokens -> features, labels and weights of n."""
    return {"token_ids": window[:, :-1]}, window[:, 1:], weights

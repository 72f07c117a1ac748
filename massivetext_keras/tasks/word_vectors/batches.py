"""Ids of words to blocks with their neighbours, in the graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.configs import WordVectorsConfig
from massivetext_keras.tasks.word_vectors.vocabulary import Stream, Vocabulary

BLOCK = 32  # neighbouring words whose products are one
BLOCKS = 16  # of an update, at the most
_ENOUGH = 8_192  # ids of a text for each of them
_POWER = 0.75  # of the frequencies of drawn words


def blocks(
    stream: Stream, vocabulary: Vocabulary, config: WordVectorsConfig
) -> tf.data.Dataset:
    """Batches without end, of which each is a function of the seed and its number.

    An element has updates x blocks of `BLOCK` words: "tokens" int32 [updates,
    blocks, window + block + window], "sequences" the same, whose neighbours are those
    with the same number, "reach" int32 [updates, blocks, block], the window of each
    word, and "drawn" int32 [updates, blocks, block], words by their frequency to the
    power of 0.75. Frequent words were left out: a word stays with the probability of
    sqrt(s / f) + s / f, f being its share of the text and s `config.sample`, as in
    word2vec's program.
    """
    share = vocabulary.counts / vocabulary.counts.sum()
    ratio = config.sample / share if config.sample else np.full(len(share), 4.0)
    kept = np.append(np.sqrt(ratio) + ratio, 0.0).astype(np.float32)
    weights = np.cumsum(vocabulary.counts**_POWER)
    kept, borders = tf.constant(kept), tf.constant(weights / weights[-1])
    window, mark, count = config.window, stream.mark, blocks_of(stream)

    def framed(x: tf.Tensor, padding: int, updates: tf.Tensor) -> tf.Tensor:
        behind = updates * count * BLOCK + window - tf.size(x)
        x = tf.pad(x, [[window, behind]], constant_values=padding)
        x = tf.signal.frame(x, BLOCK + 2 * window, BLOCK)
        return tf.reshape(x, [updates, count, BLOCK + 2 * window])

    def block(number: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = tf.stack([config.seed, tf.cast(number, tf.int32)])
        seeds = tf.random.experimental.stateless_split(seed, 3)
        ids = tf.io.decode_raw(record, tf.int32)
        sequences = tf.cumsum(tf.cast(ids == mark, tf.int32))
        chance = tf.random.stateless_uniform(tf.shape(ids), seeds[0])
        stay = chance < tf.gather(kept, ids)
        ids, sequences = tf.boolean_mask(ids, stay), tf.boolean_mask(sequences, stay)
        updates = tf.maximum((tf.size(ids) - 1) // (BLOCK * count) + 1, 1)
        shape = [updates, count, BLOCK]
        drawn = tf.random.stateless_uniform(shape, seeds[1], dtype=tf.float64)
        drawn = tf.searchsorted(borders, tf.reshape(drawn, [-1]), side="right")
        reach = tf.random.stateless_uniform(
            shape, seeds[2], 1, window + 1, dtype=tf.int32
        )
        return {
            "tokens": framed(ids, 0, updates),
            "sequences": framed(sequences, -1, updates),
            "reach": reach,
            "drawn": tf.reshape(drawn, shape),
        }

    return (
        tf.data.FixedLengthRecordDataset(str(stream.path), 4 * stream.record)
        .repeat()
        .enumerate()
        .map(block, num_parallel_calls=2, deterministic=True)
        .prefetch(4)
    )


def blocks_of(stream: Stream) -> int:
    """Blocks of an update: few of a small text, of which more updates are made, and two
    at least, as vectors of a dozen words begin to swing with one."""
    return min(max(stream.size // _ENOUGH, 2), BLOCKS)

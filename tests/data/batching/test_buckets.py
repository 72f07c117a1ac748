"""Rows with more beside their ids: in the same batch, place and order."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import Batches, BucketedRows, joined
from massivetext_keras.data.batching.buckets import make_buckets, rows_of_batch
from massivetext_keras.tokenizers import ByteTokenizer

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 40, 50)
ROWS = [np.arange(n) + 100 * i for i, n in enumerate(LENGTHS)]
TAGS = [row * 2 + 1 for row in ROWS]
WEIGHTS = [np.full(n, 0.5 + i) for i, n in enumerate(LENGTHS)]
LABELS = np.arange(50) + 1
TARGETS = np.stack([LABELS, -LABELS], axis=1).astype(np.float32)


def batches(**sizes) -> Batches:
    rows = BucketedRows(
        [ROWS], aligned=[TAGS, WEIGHTS], fixed=[LABELS, TARGETS], **sizes
    )
    return Batches(rows, lambda *parts: parts)


@pytest.mark.parametrize("sizes", [{"batch_tokens": 160}, {"batch_size": 8}])
@pytest.mark.parametrize("training", [True, False])
def test_everything_of_a_row_stays_together(sizes, training):
    found = batches(**sizes)
    dataset = found.training(seed=3).take(found.count)
    seen = []
    for ids, mask, tags, weights, labels, targets in (
        dataset if training else found.validation()
    ):
        if "batch_size" in sizes:
            assert len(ids) <= 8
        for i, label in enumerate(labels.numpy()):
            n = int(tf.reduce_sum(mask[i]))
            if not n:  # fills the last batch of a bucket
                assert label == 0 and not np.any(targets[i]) and not np.any(tags[i])
                continue
            seen.append(label)
            row = label - 1
            np.testing.assert_array_equal(ids[i, :n], ROWS[row])
            np.testing.assert_array_equal(tags[i, :n], TAGS[row])
            np.testing.assert_array_equal(weights[i, :n], WEIGHTS[row])
            np.testing.assert_array_equal(targets[i], TARGETS[row])
            assert not np.any(tags[i, n:]) and not np.any(weights[i, n:])
    assert sorted(seen) == list(range(1, 51))


def test_one_size_is_to_be_given():
    for sizes in ({}, {"batch_tokens": 8, "batch_size": 2}):
        with pytest.raises(ValueError, match="batch_tokens or batch_size"):
            BucketedRows([ROWS], **sizes)
    with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
        BucketedRows([ROWS], batch_size=0)


@pytest.mark.parametrize(
    "lengths, kept",
    [
        ((3, 4), (3, 4)),
        ((9, 1), (6, 1)),  # 10 places, 3 of them for special tokens
        ((1, 9), (1, 6)),
        ((9, 9), (4, 3)),
        ((0, 9), (0, 7)),
    ],
)
def test_of_two_texts_the_longer_one_is_cut(lengths, kept):
    tokenizer = ByteTokenizer()
    first = tf.ragged.constant([list(range(10, 10 + lengths[0]))], dtype=tf.int32)
    second = tf.ragged.constant([list(range(50, 50 + lengths[1]))], dtype=tf.int32)
    ids, segments = (x.to_list()[0] for x in joined(tokenizer, first, second, 10))
    first, second = range(10, 10 + kept[0]), range(50, 50 + kept[1])
    assert ids == [1, *first, 2, *second, 2]
    assert segments == [0] * (kept[0] + 2) + [1] * (kept[1] + 1)


@pytest.mark.parametrize(
    "sizes, batches, shapes",
    [({"batch_size": 32}, 12, 4), ({"batch_tokens": 1024}, 12, 5)],
    ids=str,
)
def test_small_sets_make_full_batches_of_few_shapes(sizes, batches, shapes):
    lengths = np.random.default_rng(1).integers(5, 41, (384, 1))
    per_batch = {"batch_tokens": None, "batch_size": None, **sizes}
    buckets = make_buckets(lengths, **per_batch)
    counts = [
        -(-len(bucket.rows) // int(rows_of_batch(sum(bucket.shape), **per_batch)))
        for bucket in buckets
    ]
    whole = -(-384 // int(rows_of_batch(40, **per_batch)))
    assert sum(counts) <= whole
    assert (sum(counts), len(buckets)) == (batches, shapes)
    assert min(counts) >= 2
    rows = np.concatenate([bucket.rows for bucket in buckets])
    assert sorted(rows.tolist()) == list(range(384))
    if "batch_size" in sizes:
        assert {len(bucket.rows) % 32 for bucket in buckets} == {0}

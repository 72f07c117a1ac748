"""Training batches: epochs that end, a new order in each, batch k a function of k."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import BucketedRows, TrainingBatches, training_batches


def numbered(**options) -> TrainingBatches:
    return TrainingBatches(lambda k: k, per_epoch=3, **options)


def numbers(dataset) -> list[int]:
    return [int(k) for k in dataset]


def test_each_iteration_is_the_next_epoch():
    batches = numbered()
    assert len(batches) == 3 and int(batches.cardinality()) == 3
    assert [numbers(batches) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert numbers(batches.map(lambda k: k * 2).repeat(2)) == [18, 20, 22, 24, 26, 28]
    assert batches.next_batch == 15


def test_two_iterators_at_once_are_two_epochs():
    batches = numbered()
    pairs = [(int(a), int(b)) for a, b in zip(batches, batches, strict=True)]
    assert pairs == [(0, 3), (1, 4), (2, 5)]


def test_a_start_within_an_epoch():
    assert numbers(numbered(start=4)) == [4, 5, 6]
    assert numbers(numbered(start=4, endless=True).take(5)) == [4, 5, 6, 7, 8]
    with pytest.raises(ValueError, match="start must not be negative, got -1"):
        numbered(start=-1)


def test_what_is_made_of_batches_counts_with_them():
    batches = TrainingBatches(lambda k: (k, k), per_epoch=2)
    changed = batches.changed(lambda a, b: (a, b + 1))
    assert [(int(a), int(b)) for a, b in changed] == [(0, 1), (1, 2)]
    assert batches.next_batch == 2


def test_any_keras_model_sees_every_batch_once_an_epoch():
    seen = []

    class Watch(keras.Model):
        def call(self, x):
            seen.append(float(x[0, 0]))
            return x

    def batch(k):
        ones = tf.ones([2, 1])
        return ones * tf.cast(k, tf.float32), ones

    batches = TrainingBatches(batch, per_epoch=3)
    model = Watch()
    model.compile("sgd", "mse", run_eagerly=True)
    history = model.fit(batches, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert sorted(seen[-6:]) == [0, 1, 2, 3, 4, 5]


def test_epochs_of_windows_are_passes_over_the_text():
    tokens = np.arange(1000, 1068)
    batches = training_batches(tokens, 3, 8).epochs()
    assert len(batches) == 3  # seven windows in threes
    firsts = [x["token_ids"].numpy()[:, 0] for x, _, _ in batches]
    assert len({int(first) for some in firsts for first in some[:7]}) >= 7


LENGTHS = [3, 9, 1, 9, 2, 8, 1]
ROWS = [np.full(n, i) for i, n in enumerate(LENGTHS, 1)]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [({"batch_size": 3}, [3, 3, 1]), ({"batch_tokens": 20}, [2, 2, 2, 1])],
)
def test_validation_is_in_order_without_rows_that_fill(sizes, counts):
    rows = BucketedRows([ROWS], fixed=[np.arange(1, 8)], **sizes)
    batches = list(rows.in_order(lambda *parts: parts))
    assert int(rows.in_order(lambda *parts: parts).cardinality()) == len(counts)
    assert [len(labels) for _, _, labels in batches] == counts
    assert [int(x) for _, _, labels in batches for x in labels] == list(range(1, 8))
    lengths = [int(n) for _, mask, _ in batches for n in tf.reduce_sum(mask, 1)]
    assert lengths == LENGTHS
    widths = {ids.shape[1] for ids, _, _ in batches}
    assert widths <= {bucket.shape[0] for bucket in rows.buckets}
    if "batch_tokens" in sizes:
        assert all(tf.size(ids) <= 20 for ids, _, _ in batches)

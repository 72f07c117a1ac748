"""Windows over a row of tokens: each once, in an order that the seed decides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import training_batches, validation_batches

TOKENS = np.arange(1000, 1000 + 68, dtype="int32")  # a token tells its place


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def firsts(batches: list) -> list[int]:
    return [int(row[0]) for x, _, _ in batches for row in x["token_ids"]]


def test_labels_are_the_next_tokens_and_all_count():
    for features, labels, weights in take(training_batches(TOKENS, 3, 8), 5):
        assert features["token_ids"].dtype == labels.dtype == np.int32
        assert features["token_ids"].shape == labels.shape == weights.shape == (3, 8)
        steps = np.arange(8)
        assert (features["token_ids"] == features["token_ids"][:, :1] + steps).all()
        assert np.array_equal(labels, features["token_ids"] + 1)
        assert (weights.dtype, weights.min(), weights.max()) == (np.float32, 1.0, 1.0)


def test_prefixes_are_drawn_anew_and_have_no_weight():
    ends = []
    for features, _, weights in take(training_batches(TOKENS, 4, 8, prefix=True), 30):
        mask = features["prefix_mask"]
        assert mask.dtype == np.int32
        assert (np.diff(mask, axis=1) <= 0).all()  # ones, then zeros
        # The last token of a prefix predicts the first one after it.
        after = np.concatenate([mask[:, 1:], np.zeros([4, 1])], axis=1)
        assert np.array_equal(weights, 1 - after)
        ends += mask.sum(axis=1).tolist()
    assert set(ends) == set(range(8))
    again = take(training_batches(TOKENS, 4, 8, prefix=True, start=29), 1)[0]
    assert again[0]["prefix_mask"].sum(axis=1).tolist() == ends[-4:]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_every_window_once_an_epoch_then_in_another_order(batch_size):
    # 67 tokens with labels hold 8 windows of 8, of which one is slack: 7 an epoch.
    places = firsts(
        take(training_batches(TOKENS, batch_size, 8, seed=3), 70 // batch_size)
    )
    epochs = np.array(places[:70]).reshape(-1, 7)
    orders = set()
    for epoch in epochs:
        offset = epoch.min() - 1000
        assert 0 <= offset <= 67 - 7 * 8
        assert sorted(epoch) == [1000 + offset + 8 * i for i in range(7)]
        orders.add(tuple(epoch - epoch.min()))
    assert len(orders) > 8
    assert len(set(epochs.min(axis=1))) > 2


def test_all_tokens_are_seen_in_time():
    batches = take(training_batches(TOKENS, 7, 8), 60)
    seen = {int(t) for _, labels, _ in batches for t in labels.ravel()}
    assert seen == set(range(1001, 1068))


@pytest.mark.parametrize("start", [1, 5, 23])
def test_start_goes_on_where_another_run_stopped(start):
    whole = take(training_batches(TOKENS, 3, 8, seed=4), start + 6)
    rest = take(training_batches(TOKENS, 3, 8, seed=4, start=start), 6)
    assert firsts(rest) == firsts(whole[start:])


def test_the_seed_decides():
    runs = [firsts(take(training_batches(TOKENS, 7, 8, seed=s), 4)) for s in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]


def test_batches_are_endless():
    dataset = training_batches(TOKENS, 3, 8)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    far = take(training_batches(TOKENS, 3, 8, start=10**9), 2)
    assert all(1000 <= first <= 1067 - 8 for first in firsts(far))


@pytest.mark.parametrize(
    ("count", "length"), [(9, 8), (10, 8), (17, 8), (24, 8), (2, 1)]
)
def test_little_text_is_enough_for_a_window_and_its_labels(count, length):
    for features, labels, _ in take(training_batches(TOKENS[:count], 4, length), 10):
        assert features["token_ids"].min() >= 1000
        assert labels.max() < 1000 + count


def test_too_little_text_is_an_error():
    with pytest.raises(ValueError, match="8 tokens, too few .* sequence_length 8"):
        training_batches(TOKENS[:8], 1, 8)
    with pytest.raises(ValueError, match="fewer than two tokens"):
        validation_batches(TOKENS[:1], 1, 8)


@pytest.mark.parametrize("count", [2, 8, 9, 48, 49, 50, 68])
def test_validation_predicts_every_token_but_the_first_once(count):
    batches = take(validation_batches(TOKENS[:count], 3, 8), 100)
    assert {x["token_ids"].shape for x, _, _ in batches} == {(3, 8)}
    labels = np.concatenate([y[w == 1.0] for _, y, w in batches])
    inputs = np.concatenate([x["token_ids"][w == 1.0] for x, _, w in batches])
    assert labels.tolist() == TOKENS[1:count].tolist()
    assert inputs.tolist() == TOKENS[: count - 1].tolist()
    assert sum(np.size(w) for _, _, w in batches) - (count - 1) < 24
    assert {float(v) for _, _, w in batches for v in w.ravel()} <= {0.0, 1.0}


def test_validation_batches_as_literals():
    ((features, labels, weights),) = take(validation_batches(TOKENS[:5], 2, 3), 2)
    assert features["token_ids"].tolist() == [[1000, 1001, 1002], [1003, 1004, 0]]
    assert labels.tolist() == [[1001, 1002, 1003], [1004, 0, 0]]
    assert weights.tolist() == [[1, 1, 1], [1, 0, 0]]

"""Pairs of texts: read, encoded, put into buckets, made to batches."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras import data
from massivetext_keras.data.batching.buckets import BucketedRows, make_buckets
from massivetext_keras.tokenizers import ByteTokenizer

RANDOM = np.random.default_rng(0)
LENGTHS = np.clip(
    RANDOM.poisson(12, [6000, 1]) + RANDOM.integers(-1, 2, [6000, 2]), 1, 40
)
SOURCES = [[i + 1] * n for i, n in enumerate(LENGTHS[:, 0])]
TARGETS = [[i + 1] * n for i, n in enumerate(LENGTHS[:, 1])]


def batches(seed, start=0, count=None, tokens=1024):
    made = data.pair_batches(SOURCES, TARGETS, tokens, 7, seed, start)
    return list((made if count is None else made.take(count)).as_numpy_iterator())


def test_a_batch_for_teacher_forcing():
    made = data.pair_batches([[5, 1], [6, 9, 1]], [[8, 1], [1]], 20, 3, None)
    (features, labels, weights), *rest = made.as_numpy_iterator()
    assert not rest
    assert features["encoder_token_ids"].tolist() == [[5, 1, 0], [6, 9, 1]]
    assert features["encoder_padding_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert features["decoder_token_ids"].tolist() == [[3, 8], [3, 1]]
    assert features["decoder_padding_mask"].tolist() == [[1, 1], [1, 0]]
    assert labels.tolist() == [[8, 1], [1, 0]]
    assert weights.tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("seed", [None, 0])
def test_an_epoch_has_every_pair_once_and_little_padding(seed):
    pairs = BucketedRows([SOURCES, TARGETS], 1024)
    made = batches(seed, count=pairs.batches)
    assert len(made) == pairs.batches
    seen, tokens, real = [], 0, 0
    for features, labels, weights in made:
        sources, mask = features["encoder_token_ids"], features["encoder_padding_mask"]
        assert mask.size + labels.size <= 1024
        tokens += mask.size + labels.size
        real += mask.sum() + weights.sum()
        for source, target, size in zip(sources, labels, mask.sum(1), strict=True):
            seen += [source[0]] if size else []
            assert source[0] == target[0]
    assert sorted(seen) == list(range(1, 6001))
    assert real / tokens == pytest.approx(1 - pairs.padding)
    assert pairs.padding < 0.1
    assert len({labels.shape for _, labels, _ in made}) <= 64


def test_batch_k_is_a_function_of_the_seed_and_k():
    pairs = BucketedRows([SOURCES, TARGETS], 1024)
    first = batches(4, count=pairs.batches + 3)
    again = batches(4, start=pairs.batches, count=3)
    other = batches(5, start=pairs.batches, count=3)

    def ids(some):
        return [labels.tolist() for _, labels, _ in some]

    assert ids(first[-3:]) == ids(again) != ids(other)
    assert ids(first[:3]) != ids(again), "epochs are in orders of their own"


def test_buckets_are_cut_where_most_padding_is_saved():
    lengths = np.array([[1, 1]] * 4 + [[1, 9]] * 4 + [[8, 9]] * 4)
    found = [(b.shape, b.rows.tolist()) for b in make_buckets(lengths, 4)]
    rows = [list(range(i, i + 4)) for i in (0, 4, 8)]
    assert found == [((1, 1), rows[0]), ((1, 9), rows[1]), ((8, 9), rows[2])]
    (whole,) = make_buckets(lengths, 1000)  # no part would fill a batch
    assert whole.shape == (8, 9)


def test_pairs_that_cannot_be_learnt_from_are_left_out(caplog):
    sources, targets = ["ab", "", "abcdef", "x"], ["c", "d", "e", " \t"]
    with caplog.at_level(logging.WARNING):
        rows = data.encode_pairs(ByteTokenizer(), sources, targets, 4)
    assert [[r.tolist() for r in side] for side in rows] == [
        [[100, 101, 2]],
        [[102, 2]],
    ]
    assert "3 of 4 pairs left out: 2 with an empty side, 1 longer" in caplog.text
    with pytest.raises(
        ValueError, match="of 1 pairs none can be used: 1 with an empty"
    ):
        data.encode_pairs(ByteTokenizer(), [""], ["a"], 4)


def test_a_text_in_its_tokens():
    ids = tf.ragged.constant([[5, 6, 7], []])
    bytes_, bart = ByteTokenizer(), ByteTokenizer(add_bos=True)
    assert data.enclosed(bytes_, ids).to_list() == [[5, 6, 7, 2], [2]]
    assert data.enclosed(bart, ids).to_list() == [[1, 5, 6, 7, 2], [1, 2]]
    assert data.enclosed(bart, ids, 4).to_list() == [[1, 5, 6, 2], [1, 2]]
    assert data.start_id(bytes_) == 0  # Marian and T5
    assert data.start_id(bart) == 2  # BART


def test_bad_sizes():
    with pytest.raises(ValueError, match="there are no rows"):
        BucketedRows([[], []], 16)
    with pytest.raises(ValueError, match="batch_tokens 3 is less than .* takes 5"):
        BucketedRows([[[1, 2]], [[1, 2, 3]]], 3)

"""Streams: which token stands where, and that each is predicted once."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.data.batching.streams import stream_batches, stream_validation


def test_rows_go_on_where_those_of_the_batch_before_ended():
    batches = stream_batches(np.arange(13), rows=2, length=3)
    assert len(batches) == 2
    found = list(batches.endless().take(4).as_numpy_iterator())
    ids = np.stack([features["token_ids"] for features, *_ in found])
    assert ids.tolist()[:2] == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    for features, labels, weights in found:
        assert (labels == features["token_ids"] + 1).all()
        assert (weights == 1).all()
    assert [features["continues"].tolist() for features, *_ in found] == [
        [0, 0],
        [1, 1],
        [0, 0],
        [1, 1],
    ]


def test_an_epoch_begins_at_an_offset_of_its_own_and_a_batch_is_of_its_number():
    tokens = np.arange(200)
    whole = list(stream_batches(tokens, 2, 8, seed=5).endless().take(40))
    firsts = {int(x["token_ids"][0, 0]) for x, *_ in whole if not x["continues"][0]}
    assert len(firsts) > 1
    assert max(firsts) < 200 - 12 * 16
    later = next(iter(stream_batches(tokens, 2, 8, seed=5, start=17).endless()))
    assert np.array_equal(later[0]["token_ids"], whole[17][0]["token_ids"])


@pytest.mark.parametrize("size", [2, 7, 24, 25, 26])
def test_validation_predicts_every_token_but_the_first_once(size):
    seen = []
    for features, labels, weights in stream_validation(np.arange(size), 2, 4):
        assert features["token_ids"].shape == (2, 4)
        seen += labels.numpy()[weights.numpy() == 1].tolist()
    assert sorted(seen) == list(range(1, size))


def test_too_little_text_is_refused():
    with pytest.raises(ValueError, match="has 6 tokens, too few for 2 rows of 3"):
        stream_batches(np.arange(6), rows=2, length=3)
    with pytest.raises(ValueError, match="fewer than two tokens"):
        stream_validation(np.arange(1), rows=2, length=3)

"""A text to a row: every token but the first is predicted once, with little padding."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from massivetext_keras.data import text_batches
from massivetext_keras.tokenizers import ByteTokenizer

TEXTS = [chr(97 + i % 26) * (1 + i * i % 61) for i in range(400)]


def batches(seed, start=0, count=None, length=64) -> list:
    made = text_batches(ByteTokenizer(), TEXTS, 512, length, seed, start)
    return list(itertools.islice(made.as_numpy_iterator(), count))


def test_each_text_has_a_row_of_its_own():
    found, places, real = Counter(), 0, 0
    for features, labels, weights in batches(None):
        mask = features["padding_mask"]
        assert features["token_ids"].dtype == mask.dtype == labels.dtype == np.int32
        assert weights.dtype == np.float32 and np.array_equal(weights, mask)
        assert labels.shape[0] * (labels.shape[1] + 1) <= 512
        places, real = places + labels.size, real + mask.sum()
        for row, label, there in zip(features["token_ids"], labels, mask, strict=True):
            if there.any():
                count = there.sum()
                assert np.array_equal(row[1:count], label[: count - 1])
                assert label[count - 1] == 2  # the end of the text
                found[bytes(int(i) - 3 for i in row[:count]).decode()] += 1
    assert found == Counter(TEXTS)
    assert real / places > 0.85


def test_a_long_text_is_cut_and_loses_no_prediction():
    labels = Counter()
    for _, label, weights in batches(None, length=16):
        assert label.shape[1] <= 16
        labels.update(label[weights > 0].tolist())
    assert labels == Counter(
        i for t in TEXTS for i in [*(ord(c) + 3 for c in t[1:]), 2]
    )


def test_batch_k_is_a_function_of_the_seed_and_k():
    def ids(some):
        return [labels.tolist() for _, labels, _ in some]

    assert ids(batches(3, count=6))[4:] == ids(batches(3, start=4, count=2))
    assert ids(batches(3, count=1)) != ids(batches(4, count=1))


def test_rows_must_fit_the_batch():
    with pytest.raises(ValueError, match="batch_tokens 8 is less than .* takes 10"):
        text_batches(ByteTokenizer(), ["nine long"], 8, 64)
    with pytest.raises(ValueError, match="there are no rows"):
        text_batches(ByteTokenizer(), [], 8, 64)

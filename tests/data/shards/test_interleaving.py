"""Shares of corpora: exact, and within a row of it at any time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.data.shards.interleaving import earlier, interleaved, shares


@given(st.lists(st.integers(1, 60), min_size=1, max_size=7))
def test_any_prefix_is_within_one_row_of_its_share(counts):
    order = np.tile(interleaved(counts), 2)
    n = np.arange(1, len(order) + 1)
    for corpus, count in enumerate(counts):
        came = np.cumsum(order == corpus)
        assert came[-1] == 2 * count
        assert (abs(came * sum(counts) - n * count) < sum(counts)).all()


def test_earlier_counts_the_same_value():
    order = interleaved([2, 5, 1])
    expected = [int((order[:i] == v).sum()) for i, v in enumerate(order)]
    assert earlier(order).tolist() == expected


def test_weights_are_exact():
    assert shares([1, 1], [0.7, 0.3]) == (7, 3)
    assert shares([1, 1, 1], [2, 1, 1]) == (2, 1, 1)
    assert shares([1, 1, 1], [0.48, 0.27, 0.1]) == (48, 27, 10)
    assert shares([1, 1], [1 / 3, 2 / 3]) == (1, 2)
    # MassiveText (Rae et al., 2021)
    weights = [0.48, 0.27, 0.10, 0.10, 0.03, 0.02]
    counts = shares([1] * 6, weights)
    assert [Fraction(c, sum(counts)) for c in counts] == [
        Fraction(str(weight)) for weight in weights
    ]


def test_without_weights_sizes_decide():
    assert shares([100, 300]) == (1, 3)
    assert shares([1, 10**9]) == (1, 10_000)  # none is left out


@pytest.mark.parametrize("weights", [[0.5, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_must_be_positive(weights):
    with pytest.raises(ValueError, match="must be positive"):
        shares([1, 1], weights)


def test_weights_without_a_small_common_denominator():
    with pytest.raises(ValueError, match="round them to fewer digits"):
        shares([1, 1], [2**0.5, 3**0.5])

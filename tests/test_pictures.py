"""Marks at the axes of pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.pages.pictures import round_values


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (45, 92, [50, 60, 70, 80, 90]),
        (80, 600, [100, 200, 500]),
        (1000, 1450, [1000, 1100, 1200, 1300, 1400]),
        (0.8, 1.25, [0.8, 0.9, 1.0]),
        (0.8, 2500, [1, 10, 100, 1000]),
        (0.5, 2e9, [1, 1e2, 1e4, 1e6, 1e8]),
        (99, 101, [99.2, 99.6, 100, 100.4, 100.8]),
    ],
)
def test_round_values(low, high, expected):
    assert round_values(low, high) == pytest.approx(expected)


@given(st.floats(1e-6, 1e9), st.floats(1.01, 1e12))
def test_there_are_some_and_not_many_within_the_range(low, factor):
    found = round_values(low, low * factor)
    assert 2 <= len(found) <= 8
    assert found == sorted(set(found))
    assert low <= found[0] and found[-1] <= low * factor

"""Bits per byte against logarithms worked out by hand."""

from __future__ import annotations

import math

import pytest

from massivetext_keras.evaluation import bits_per_byte


def test_a_guess_among_equals_costs_the_logarithm_of_their_number():
    # Ten tokens of two bytes, each one of 65,536 equally likely: 16 bits for 2 bytes.
    assert bits_per_byte(10 * math.log(65536), 20) == pytest.approx(8.0, abs=1e-12)
    # The same text as twenty bytes of 256 values costs the same.
    assert bits_per_byte(20 * math.log(256), 20) == pytest.approx(8.0, abs=1e-12)
    assert bits_per_byte(1.0, 1) == pytest.approx(1.4426950408889634, abs=1e-15)
    assert bits_per_byte(0.0, 3) == 0.0


@pytest.mark.parametrize("size", [0, -1])
def test_a_text_without_bytes_is_an_error(size):
    with pytest.raises(ValueError, match=f"^size must be positive, got {size}$"):
        bits_per_byte(1.0, size)

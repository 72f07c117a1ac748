"""Random bits are a published hash, balanced and not correlated."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.random import (
    hashed,
    keys_from,
    next_key_in_scope,
    own_keys,
    random_bits,
    with_own_keys,
)


def key(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)


def signs(key_value: int, size: int = 1 << 16) -> np.ndarray:
    """The 32 bits of every position as -1 and 1, [size, 32]."""
    bits = random_bits((size,), key(key_value)).numpy()
    return ((bits[:, None] >> np.arange(32, dtype="uint32")) & 1) * 2.0 - 1.0


def lowbias32(x: int) -> int:
    """The hash of Wellons, 2018, on Python's integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_bits_are_the_published_hash():
    expected = [lowbias32((i * 0x9E3779B9 + 12345) % 2**32) for i in range(6)]
    assert random_bits((2, 3), key(12345)).numpy().ravel().tolist() == expected


@pytest.mark.parametrize("value", [0, 1, 12345, 2**32 - 1])
def test_every_bit_is_balanced_and_apart_from_its_neighbours(value):
    bits = signs(value)
    bound = 5 / np.sqrt(len(bits))
    assert np.abs(bits.mean(axis=0)).max() < bound
    assert np.abs((bits[1:] * bits[:-1]).mean(axis=0)).max() < bound
    between = bits.T @ bits / len(bits) - np.eye(32)
    assert np.abs(between).max() < bound


@pytest.mark.parametrize("value", [0, 7, 2**31])
def test_neighbouring_keys_are_not_correlated(value):
    bits, others = signs(value), signs(value + 1)
    assert np.abs((bits * others).mean(axis=0)).max() < 5 / np.sqrt(len(bits))


def drawn(count: int = 1) -> list[int]:
    return [int(next_key_in_scope()) for _ in range(count)]


def test_what_is_drawn_inside_changes_nothing_of_what_comes_after():
    outside, inside = [], []
    for count in (0, 3):
        with keys_from(hashed(5)):
            first = drawn()
            with own_keys():
                inside.append(drawn(count))
            outside.append(first + drawn(2))
    assert outside[0] == outside[1]
    assert len({*outside[0], *inside[1]}) == 6


def test_own_keys_where_there_is_nothing_to_draw():
    with own_keys():
        assert next_key_in_scope() is None
    with keys_from(hashed(5)), own_keys(drawing=False):
        first = drawn()
    with keys_from(hashed(5)):
        assert drawn() == first


def test_a_function_with_its_own_keys_draws_them_again():
    with keys_from(hashed(5)):
        function = with_own_keys(drawn)
        assert function(2) == function(2)
        after = drawn()
    with keys_from(hashed(5)):
        with own_keys():
            expected = drawn(2)
        assert drawn() == after
    assert function(2) == expected  # outside too, as in a backward pass

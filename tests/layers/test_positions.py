"""Sinusoidal, rotary and relative positions against other ways to compute them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.positions import (
    RelativePositionBias,
    relative_bucket,
    rotary_angles,
    rotary_frequencies,
    rotate,
    sinusoidal,
)
from tests.layers import plain

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_sinusoidal_table():
    found = sinusoidal(tf.constant([[0, 1, 100]]), 4)[0]
    expected = [
        [0.0, 0.0, 1.0, 1.0],
        [0.84147098, 0.00999983, 0.54030231, 0.99995],
        [-0.50636564, 0.84147098, 0.86231887, 0.54030231],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rotate_leaves_what_lies_behind_the_angles():
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 7)).astype("float32")
    angles = rotary_angles(tf.constant([[0, 1, 2]]), rotary_frequencies(4))
    found = rotate(tf.constant(x), angles)
    np.testing.assert_array_equal(found[..., 4:], x[..., 4:])
    np.testing.assert_array_equal(
        found[..., :4], rotate(tf.constant(x[..., :4]), angles)
    )


@pytest.mark.parametrize("size", [2, 8])
def test_rotate_is_a_product_of_complex_numbers(size):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 3, 5, size)).astype("float32")
    positions = random.integers(0, 50, [2, 5])
    frequencies = rotary_frequencies(size, 100.0)
    half = size // 2
    turn = np.exp(1j * positions[:, None, :, None] * 100.0 ** (-np.arange(half) / half))
    turned = (x[..., :half] + 1j * x[..., half:]) * turn
    found = rotate(tf.constant(x), rotary_angles(tf.constant(positions), frequencies))
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_rotated_products_depend_on_the_distance_alone():
    random = np.random.default_rng(1)
    q, k = (tf.constant(random.normal(size=(1, 1, 1, 8)), tf.float32) for _ in range(2))
    frequencies = rotary_frequencies(8)

    def product(i, j):
        left = rotate(q, rotary_angles(tf.constant([[i]]), frequencies))
        return float(
            tf.reduce_sum(
                left * rotate(k, rotary_angles(tf.constant([[j]]), frequencies))
            )
        )

    assert product(7, 3) == pytest.approx(product(107, 103), abs=1e-4)
    assert abs(product(7, 3) - product(7, 4)) > 1e-3


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama3_scaling_by_cases(factor):
    plain_ones = rotary_frequencies(128, 500000.0)
    found = rotary_frequencies(128, 500000.0, {**LLAMA3, "factor": factor})
    expected = [plain.llama3_frequency(f, factor, 1.0, 4.0, 8192) for f in plain_ones]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    kept = np.isclose(found, plain_ones, rtol=1e-12)
    divided = np.isclose(found, plain_ones / factor, rtol=1e-12)
    # Pairs 0 to 28 turn often enough, from 35 on too seldom, those between are blended.
    assert kept.tolist() == [i <= 28 for i in range(64)]
    assert divided.tolist() == [i >= 35 for i in range(64)]


def test_other_scalings():
    linear = rotary_frequencies(4, scaling={"type": "linear", "factor": 4.0})
    assert linear.tolist() == [0.25, 0.0025]
    assert rotary_frequencies(4, scaling={"rope_type": "default"}).tolist() == [
        1.0,
        0.01,
    ]
    with pytest.raises(ValueError, match="'yarn' is not known"):
        rotary_frequencies(4, scaling={"rope_type": "yarn", "factor": 2.0})


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 20), (64, 1000)])
def test_relative_bucket_is_that_of_t5(bidirectional, buckets, max_distance):
    distance = np.arange(-200, 201, dtype="int32")
    found = relative_bucket(tf.constant(distance), bidirectional, buckets, max_distance)
    expected = [
        plain.relative_bucket(int(d), bidirectional, buckets, max_distance)
        for d in distance
    ]
    assert found.numpy().tolist() == expected


def test_relative_bias_is_a_row_of_the_table():
    layer = RelativePositionBias(2, bidirectional=True, buckets=8, max_distance=16)
    layer.build()
    layer.table.assign(np.arange(16.0).reshape(8, 2))
    bias = layer(tf.constant([3, 7]), tf.constant([0, 4, 40]))
    buckets = [[2, 5, 7], [3, 2, 7]]  # of -3, 1, 37 and -7, -3, 33
    assert bias.numpy().tolist() == [
        [[[2.0 * b + head for b in row] for row in buckets] for head in range(2)]
    ]
    again = RelativePositionBias.from_config(layer.get_config())
    assert (again.buckets, again.max_distance, again.bidirectional) == (8, 16, True)


def test_relative_bias_of_rows_at_other_places():
    layer = RelativePositionBias(2, bidirectional=False, buckets=8, max_distance=16)
    layer.build()
    both = layer(tf.constant([[5], [2]]), tf.range(6))
    for i, place in enumerate((5, 2)):
        assert np.array_equal(both[i], layer(tf.constant([place]), tf.range(6))[0])


def test_frequencies_fall_from_one_to_the_inverse_of_theta():
    frequencies = rotary_frequencies(64, 10000.0)
    assert frequencies[0] == 1.0
    assert frequencies[-1] == pytest.approx(10000.0 ** (-62 / 64))
    assert np.allclose(np.diff(np.log(frequencies)), -math.log(10000.0) / 32)

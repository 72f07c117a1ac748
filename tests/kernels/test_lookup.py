from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.lookup import rows_of


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_and_their_gradient_are_those_of_gather(dtype):
    random = np.random.default_rng(0)
    table = tf.Variable(random.normal(size=[7, 3]), dtype=dtype)
    places = tf.constant(random.integers(0, 7, [2, 5]))
    upstream = tf.constant(random.integers(-4, 5, [2, 5, 3]), table.dtype)
    with tf.GradientTape(persistent=True) as tape:
        found, plain = rows_of(table, places), tf.gather(table, places)
    np.testing.assert_array_equal(found, plain)
    gradient = tape.gradient(found, table, upstream)
    assert isinstance(gradient, tf.Tensor) and gradient.shape == table.shape
    expected = np.zeros([7, 3])
    np.add.at(expected, places.numpy(), upstream.numpy().astype("float32"))
    np.testing.assert_array_equal(tf.cast(gradient, tf.float32), expected)

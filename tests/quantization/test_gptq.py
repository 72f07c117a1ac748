"""Rounding by what a matrix multiplies: less error than the nearest, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.kernels.stored import decode, encode
from massivetext_keras.quantization import awq, gptq
from massivetext_keras.quantization.awq import changed

RNG = np.random.default_rng(0)
STORAGE = Storage("int4", 16)


def seen(rows: int = 500, inputs: int = 48) -> np.ndarray:
    """Inputs that hang together, of which a few are large."""
    x = RNG.normal(size=(rows, 8)) @ RNG.normal(size=(8, inputs))
    x += 0.3 * RNG.normal(size=(rows, inputs))
    x[:, :4] *= 8.0
    return x


def error(parts, matrix, x, storage=STORAGE) -> float:
    tensors = {name: tf.constant(part) for name, part in parts.items()}
    found = decode(storage, tensors, matrix.shape[1]).numpy()
    return changed(matrix, found, x.T @ x)


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return RNG.normal(size=(40, 48)).astype("float32")


def nearest(matrix, storage=STORAGE):
    return encode(storage, tf.constant(matrix))


def test_gptq_changes_products_less_than_the_nearest(matrix):
    x = seen()
    found = gptq(STORAGE, matrix, x.T @ x)
    assert error(found, matrix, x) < 0.5 * error(nearest(matrix), matrix, x)
    np.testing.assert_array_equal(found["scales"], nearest(matrix)["scales"])


def test_gptq_of_inputs_that_do_not_hang_together_is_the_nearest(matrix):
    """With a diagonal Hessian there is nothing to make good."""
    found = gptq(STORAGE, matrix, np.diag(RNG.uniform(1, 9, 48)))
    np.testing.assert_array_equal(found["codes"], nearest(matrix)["codes"])


def test_gptq_by_hand():
    """One row of two inputs that are always equal: only their sum counts. 1.4 becomes
    1, which leaves 0.4 to the second, 2.4 + 0.4, which becomes 3."""
    matrix = np.array([[1.4, 2.4, -8.0]], "float32")  # the scale is 1
    products = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    parts = gptq(Storage("int4", 4), matrix, products)
    tensors = {name: tf.constant(part) for name, part in parts.items()}
    assert decode(Storage("int4", 4), tensors, 3).numpy().tolist() == [[1, 3, -8]]


def test_gptq_with_inputs_that_were_never_there(matrix):
    x = seen()
    x[:, 7] = 0.0
    found = gptq(STORAGE, matrix, x.T @ x)
    assert error(found, matrix, x) < error(nearest(matrix), matrix, x)


def test_gptq_over_several_blocks_of_columns():
    matrix = RNG.normal(size=(8, 300)).astype("float32")
    x = seen(2000, 300)
    found = gptq(STORAGE, matrix, x.T @ x)
    assert error(found, matrix, x) < 0.5 * error(nearest(matrix), matrix, x)


def test_awq_changes_products_less_than_the_nearest(matrix):
    x = seen()
    storage = STORAGE.replace(scaled_inputs=True)
    found = awq(storage, matrix, x.T @ x, np.abs(x).mean(0))
    plain = error(nearest(matrix), matrix, x)
    assert error(found, matrix, x, storage) < 0.8 * plain
    # the large inputs are made smaller, so that their rows are finer
    factors = found["factors"].astype("float32")
    assert factors[:4].mean() < 0.7 * factors[4:].mean()


def test_awq_of_inputs_of_one_size_leaves_them(matrix):
    x = np.sign(RNG.normal(size=(100, 48)))
    storage = STORAGE.replace(scaled_inputs=True)
    found = awq(storage, matrix, x.T @ x, np.abs(x).mean(0))
    np.testing.assert_array_equal(found["factors"], np.ones(48))

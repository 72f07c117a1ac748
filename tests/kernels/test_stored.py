"""Matrices in fewer bits: literal arrays, bounds of what rounding may change."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.kernels import stored
from massivetext_keras.kernels.fused import island

RNG = np.random.default_rng(0)
STORAGES = [
    Storage("int8"),
    Storage("int4", 8),
    Storage("int4", 8, scaled_inputs=True),
    Storage("float16"),
    Storage("bfloat16"),
]


def decoded(storage: Storage, matrix: np.ndarray, factors=None) -> np.ndarray:
    parts = stored.encode(storage, tf.constant(matrix, tf.float32), factors)
    shapes = {name: part.shape for name, part in storage.parts(matrix.shape).items()}
    assert {name: tuple(part.shape) for name, part in parts.items()} == shapes
    return stored.decode(storage, parts, matrix.shape[-1]).numpy()


def test_int8_by_hand():
    matrix = tf.constant([[0.5, -1.27, 0.014], [0.0, 0.0, 0.0]])
    parts = stored.encode(Storage("int8"), matrix)
    assert parts["codes"].numpy().tolist() == [[50, -127, 1], [0, 0, 0]]
    np.testing.assert_allclose(parts["scales"], [0.01, 0.0], rtol=1e-6)
    found = stored.decode(Storage("int8"), parts, 3)
    np.testing.assert_allclose(found, [[0.5, -1.27, 0.01], [0, 0, 0]], rtol=1e-6)


def test_int4_by_hand():
    """Groups of 4; the largest number of each is the code -8, whatever its sign."""
    matrix = tf.constant([[8.0, -7.0, 0.0, 1.0, -4.0, 3.0, 0.5, 2.0]])
    parts = stored.encode(Storage("int4", 4), matrix)
    assert parts["scales"].dtype == tf.float16
    assert parts["scales"].numpy().tolist() == [[-1.0, 0.5]]
    codes = stored.unpacked(parts["codes"]).numpy().tolist()
    assert codes == [[[-8, 7, 0, -1], [-8, 6, 1, 4]]]
    # the first half of a group below, the second above, each plus 8
    assert parts["codes"].numpy().tolist() == [[[0 + 16 * 8, 15 + 16 * 7], [144, 206]]]
    found = stored.decode(Storage("int4", 4), parts, 8)
    np.testing.assert_array_equal(found, matrix)


def test_rows_that_no_group_divides():
    assert Storage("int4", 32).groups(172) == (6, 30)
    matrix = RNG.normal(size=(3, 21)).astype("float32")
    found = decoded(Storage("int4", 8), matrix)
    assert found.shape == (3, 21)
    assert np.abs(found - matrix).max() < np.abs(matrix).max() / 8


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_sixteen_bits_are_those_of_numpy(form):
    matrix = RNG.normal(size=(5, 7)).astype("float32")
    kind = np.float16 if form == "float16" else ml_dtypes.bfloat16
    wanted = matrix.astype(kind).astype("float32")
    np.testing.assert_array_equal(decoded(Storage(form), matrix), wanted)


def test_what_float16_has_no_numbers_for():
    with pytest.raises(ValueError, match="float16 has no numbers as large"):
        stored.encode(Storage("float16"), tf.constant([[7e4]]))


@given(
    arrays(
        "float32",
        st.tuples(st.integers(1, 4), st.integers(1, 40)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_no_number_is_further_off_than_half_a_step(matrix):
    """Of 8 bits half a 127th of the largest of its row; of 4 bits an eighth of the
    largest of its group, which is where the other end of the codes is cut."""
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    wrong = np.abs(decoded(Storage("int8"), matrix) - matrix)
    assert (wrong <= largest / 127 * 0.5001 + 1e-30).all()
    wrong = np.abs(decoded(Storage("int4", 8), matrix) - matrix)
    assert (wrong <= largest * 0.27 + 1e-6).all()


def test_the_scale_of_a_group_has_the_least_error_of_those_tried():
    groups = RNG.standard_t(3, size=(50, 4, 16)).astype("float32")

    def error(scales):
        codes = stored.group_codes(groups, scales)
        return np.sum((stored.values_of(codes, scales) - groups) ** 2, axis=-1)

    most, least = groups.max(-1), groups.min(-1)
    plain = (np.where(most > -least, most, least) / -8).astype("float16")
    found = stored.group_scales(tf.constant(groups))
    assert (error(found) <= error(tf.constant(plain))).all()
    assert error(found).sum() < 0.97 * error(tf.constant(plain)).sum()


def test_factors_of_inputs_cancel():
    """An input that counts much gets finer steps; the matrix that is meant stays."""
    matrix = RNG.normal(size=(64, 8)).astype("float32")
    storage = Storage("int4", 8, scaled_inputs=True)
    factors = np.ones(8, "float32")
    factors[3] = 0.25
    before = np.abs(decoded(storage, matrix) - matrix)[:, 3].mean()
    after = np.abs(decoded(storage, matrix, factors) - matrix)[:, 3].mean()
    assert after < 0.7 * before


@pytest.mark.parametrize("storage", STORAGES, ids=str)
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_products_are_those_of_the_decoded_matrix(storage, rows):
    """In a graph; in a program of XLA whole, and in blocks of which the last is cut."""
    matrix = RNG.normal(size=(24, 40)).astype("float32")
    x = RNG.normal(size=(rows, 40)).astype("float32")
    parts = stored.encode(storage, tf.constant(matrix))
    wanted = x @ stored.decode(storage, parts, 40).numpy().T
    for make, block in ((tf.function, 1), (island, 10_000), (island, 40 * 7)):
        multiply = make(lambda x, n=block: stored.multiply(storage, x, parts, n))
        found = multiply(tf.constant(x))
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
    unknown = tf.TensorSpec([None, 40])
    some = tf.function(
        lambda x: stored.multiply(storage, x, parts), input_signature=[unknown]
    )
    np.testing.assert_allclose(some(x), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("storage", STORAGES, ids=str)
def test_gradients_by_the_rows_are_those_of_the_decoded_matrix(storage):
    matrix = RNG.normal(size=(24, 36)).astype("float32")
    parts = stored.encode(storage, tf.constant(matrix))
    x, upstream = tf.ones([2, 36]), RNG.normal(size=(2, 24)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(stored.multiply(storage, x, parts) * upstream)
    wanted = upstream @ stored.decode(storage, parts, 36).numpy()
    np.testing.assert_allclose(tape.gradient(y, x), wanted, rtol=1e-5, atol=1e-5)


def test_rounding_in_training_lets_gradients_through():
    matrix = tf.constant(RNG.normal(size=(4, 16)), tf.float32)
    storage = Storage("int4", 8)
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        found = stored.rounded(storage, matrix)
        y = tf.reduce_sum(found * tf.range(16.0))
    np.testing.assert_array_equal(found, decoded(storage, matrix.numpy()))
    wanted = np.tile(np.arange(16.0), [4, 1])
    np.testing.assert_array_equal(tape.gradient(y, matrix), wanted)


def test_no_loop_keeps_a_matrix_in_floats():
    """What does not change in a loop XLA makes before it: decoding must not be that."""
    storage, inputs = Storage("int8"), 32
    matrix = tf.constant(RNG.normal(size=(32, inputs)), tf.float32)
    parts = {k: tf.Variable(x) for k, x in stored.encode(storage, matrix).items()}

    def program(block):
        @island
        def loop(x):
            return tf.while_loop(
                lambda i, x: i < 5,
                lambda i, x: (i + 1, stored.multiply(storage, x, parts, block)),
                (0, x),
            )[1]

        traced = tf.function(loop, jit_compile=True, autograph=False)
        show = traced.experimental_get_compiler_ir(tf.ones([1, inputs]))
        return show(stage="optimized_hlo")

    for block in (10_000, 32 * 8):
        entry = program(block).partition("ENTRY")[2]
        assert "s8[32,32]" in entry and "f32[32,32]" not in entry

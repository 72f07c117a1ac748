"""Every form of a product gives the same numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.product import (
    FORMS,
    differentiable_product,
    fastest_form,
    measure_block,
    product,
)
from massivetext_keras.kernels.tuning import Tuner, set_tuning

LAYOUTS = [(False, False), (False, True), (True, False)]


def matrices(batch, m, k, n, transpose_a, transpose_b):
    random = np.random.default_rng(m)
    a = random.normal(size=(*batch, m, k)).astype("float32")
    b = random.normal(size=(*batch, k, n)).astype("float32")
    expected = a @ b
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    return tf.constant(a), tf.constant(b), expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("sizes", [(5, 7, 3), (3, 7, 5)])  # either is the smaller
def test_forms_are_equal(layout, batch, sizes):
    a, b, expected = matrices(batch, *sizes, *layout)
    for name, form in FORMS.items():
        np.testing.assert_allclose(form(a, b, *layout), expected, 1e-5, 1e-6, name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_is_that_of_tensorflow(layout):
    a, b, expected = matrices((), 4, 6, 5, *layout)
    np.testing.assert_allclose(product(a, b, *layout), expected, rtol=1e-5, atol=1e-6)


def test_gradients():
    a, b, _ = matrices((), 4, 6, 5, False, False)
    weights = tf.constant(np.random.default_rng(1).normal(size=[4, 5]), tf.float32)
    gradients = []
    for multiply in (differentiable_product, tf.matmul):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            value = tf.reduce_sum(multiply(a, b) * weights)
        gradients.append(tape.gradient(value, [a, b]))
    for x, y in zip(*gradients, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


class Chosen(Tuner):
    """Takes one form of all, and notes what it was asked."""

    def __init__(self, form: str):
        super().__init__()
        self.form, self.asked = form, []

    def fastest(self, what, forms, arguments):
        self.asked.append((what, list(forms)))
        shapes = [x.shape.as_list() for x in arguments()]
        assert all(size <= 1024 for size in sum(shapes, []))
        return self.form if self.form in forms else next(iter(forms))


def test_what_is_measured_stands_for_sizes_near_it():
    tuner = Chosen("XLA")
    fastest_form(tuner, [4096, 700], [700, 250])
    fastest_form(tuner, [1000, 1000], [1024, 256])
    fastest_form(tuner, [8, 8, 96, 64], [8, 8, 96, 64], transpose_b=True)
    fastest_form(tuner, [512, 64], [512, 32], transpose_a=True, dtype=tf.bfloat16)
    both = ["TensorFlow", "XLA"]
    copied = ["TensorFlow, copied", "XLA, copied"]
    assert tuner.asked == [
        ("product 1024 x 1024, 1024 x 256, float32", both),
        ("product 1024 x 1024, 1024 x 256, float32", both),
        ("product 16 x 128 x 64, (16 x 128 x 64)^T, float32", both + copied),
        (
            "product (512 x 64)^T, 512 x 32, bfloat16",
            ["TensorFlow", "TensorFlow, copied"],
        ),
    ]


@pytest.fixture
def chosen():
    def choose(form: str) -> Chosen:
        set_tuning(tuner := Chosen(form))
        return tuner

    yield choose
    set_tuning(False)  # as in all tests


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_form_that_was_measured_is_taken(form, layout, chosen):
    tuner = chosen(form)
    a, b, expected = matrices((), 256, 256, 256, *layout)
    np.testing.assert_allclose(product(a, b, *layout), expected, rtol=1e-4, atol=1e-4)
    assert len(tuner.asked) == 1


def test_small_products_and_those_of_unknown_size_are_not_measured(chosen):
    tuner = chosen("XLA")
    a, b, expected = matrices((), 255, 256, 256, False, False)
    np.testing.assert_allclose(product(a, b), expected, rtol=1e-4, atol=1e-4)
    unknown = tf.function(product, input_signature=[tf.TensorSpec([None, None])] * 2)
    a, b, expected = matrices((), 256, 256, 256, False, False)
    np.testing.assert_allclose(unknown(a, b), expected, rtol=1e-4, atol=1e-4)
    assert tuner.asked == []


def test_products_of_a_block():
    tuner = Chosen("TensorFlow")
    measure_block(tuner, rows=64, size=8, dtype=tf.float32)
    sizes = [(8, 8), (8, 32), (32, 8)]
    expected = list(
        itertools.chain.from_iterable(
            (
                f"product 64 x {i}, {i} x {o}, float32",
                f"product 64 x {o}, ({i} x {o})^T, float32",
                f"product (64 x {i})^T, 64 x {o}, float32",
            )
            for i, o in sizes
        )
    )
    assert [what for what, _ in tuner.asked[:9]] == expected
    assert len(tuner.asked) == 12

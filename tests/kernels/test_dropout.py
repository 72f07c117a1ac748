"""Dropout in one pass is its plain form, with the mask that its key gives."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.dropout import add_dropout, dropout, dropped, keep_mask


def key(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_the_share_kept_is_right(rate):
    size = 1 << 18
    for value in range(5):
        kept = np.mean(keep_mask(tf.zeros([size]), key(value), rate))
        assert abs(kept - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / size)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_kept_is_scaled_and_passes_the_gradient(dtype):
    x = tf.cast(tf.range(1.0, 1001.0), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = dropout(x, key(3), rate=0.2)
    keep = keep_mask(tf.zeros([1000]), key(3), 0.2).numpy()
    exact = np.where(keep, tf.cast(x, tf.float64) / 0.8, 0.0)
    rounding = 2**-8 if dtype == "bfloat16" else 1e-6
    np.testing.assert_allclose(tf.cast(y, tf.float64), exact, rtol=rounding)
    gradient = tf.cast(tape.gradient(y, x), tf.float64)
    np.testing.assert_allclose(gradient, np.where(keep, 1.25, 0.0), rtol=rounding)


def test_the_fast_forms_are_the_plain_one():
    random = np.random.default_rng(0)
    x, residual, upstream = (
        tf.constant(random.normal(size=(7, 9)), tf.float32) for _ in range(3)
    )
    forms = {
        "plain": lambda: residual + dropped(x, key(3), 0.3),
        "dropout": lambda: residual + dropout(x, key(3), rate=0.3),
        "add_dropout": lambda: add_dropout(residual, x, key(3), 0.3),
    }
    results = {}
    for name, function in forms.items():
        with tf.GradientTape() as tape:
            tape.watch([x, residual])
            y = function()
        results[name] = [y, *tape.gradient(y, [x, residual], upstream)]
    for name in ("dropout", "add_dropout"):
        for found, expected in zip(results[name], results["plain"], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)

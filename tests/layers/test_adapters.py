"""One product with an adapter, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers import adapters
from massivetext_keras.layers.dense import Dense

RNG = np.random.default_rng(0)


def adapted(rank=2, alpha=3.0, dropout=0.0, **options) -> tuple[Dense, np.ndarray]:
    layer = Dense(5, scale=1.0, **options)
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    layer(x)
    adapters.attach(layer, rank, alpha, dropout)
    for weight in (layer.bias, layer.adapter.a, layer.adapter.b):
        weight.assign(RNG.normal(size=weight.shape))
    return layer, x


def by_hand(layer: Dense, x: np.ndarray) -> np.ndarray:
    kernel, bias, a, b = (
        w.numpy() for w in (layer.kernel, layer.bias, layer.adapter.a, layer.adapter.b)
    )
    return x @ kernel + bias + layer.adapter.alpha / layer.adapter.rank * (x @ a) @ b


@pytest.mark.parametrize(("rank", "alpha"), [(1, 1.0), (2, 16.0), (7, 0.5)])
def test_a_product_of_low_rank_is_added(rank, alpha):
    layer, x = adapted(rank, alpha)
    np.testing.assert_allclose(layer(x), by_hand(layer, x), rtol=1e-4, atol=1e-5)


def test_at_first_nothing_is_added_and_a_is_random():
    layer = Dense(300)
    x = RNG.normal(size=(2, 400)).astype("float32")
    before = layer(x).numpy()
    adapters.attach(layer, 50, 16.0, 0.1)
    assert np.array_equal(layer(x), before)
    assert not layer.adapter.b.numpy().any()
    assert layer.adapter.a.numpy().std() == pytest.approx(400**-0.5, rel=0.05)


def test_gradients_are_those_of_the_sum_of_kernels():
    layer, x = adapted()
    a, b, kernel = (
        tf.convert_to_tensor(w)
        for w in (layer.adapter.a, layer.adapter.b, layer.kernel)
    )
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        loss = tf.reduce_sum(tf.square(x @ (kernel + 1.5 * a @ b) + layer.bias.value))
    wanted = tape.gradient(loss, [a, b])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)))
    found = tape.gradient(loss, [layer.adapter.a.value, layer.adapter.b.value])
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_dropout_is_on_the_adapters_path_alone():
    layer, x = adapted(dropout=0.5)
    plain = layer(x).numpy() - by_hand(layer, x)
    assert np.abs(plain).max() < 1e-4
    ones = np.ones([4000, 4], "float32")
    layer.bias.assign(np.zeros(5))
    kernel = layer.kernel.numpy()
    added = layer(ones, training=True).numpy() - ones @ kernel
    # Each entry of a row is zero or twice as large: 2^4 different rows.
    assert len(np.unique(added.round(3), axis=0)) == 16
    whole = 1.5 * layer.adapter.a.numpy().sum(0) @ layer.adapter.b.numpy()
    np.testing.assert_allclose(added.mean(0), whole, atol=0.5)


def test_merged_and_back():
    layer, x = adapted()
    before, kernel = layer(x).numpy(), layer.kernel.numpy()
    whole = adapters.merged_kernel(layer).numpy()
    adapters.merge(layer)
    adapters.merge(layer)  # a second time changes nothing
    np.testing.assert_array_equal(layer.kernel.numpy(), whole)
    np.testing.assert_array_equal(adapters.merged_kernel(layer), whole)
    np.testing.assert_allclose(layer(x), before, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(
        layer(x), x @ whole + layer.bias.numpy(), rtol=1e-5, atol=1e-5
    )
    adapters.unmerge(layer)
    adapters.unmerge(layer)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)
    np.testing.assert_array_equal(layer(x), before)


def test_detached_it_is_the_layer_that_it_was():
    layer, x = adapted()
    wanted = x @ layer.kernel.numpy() + layer.bias.numpy()
    adapters.detach(layer)
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-5, atol=1e-5)
    assert [w.name for w in layer.weights] == ["kernel", "bias"]
    adapters.attach(layer, 3, 1.0, 0.0)
    assert len(layer.weights) == 4


def test_factors_stay_in_float32():
    layer, x = adapted(dtype="mixed_bfloat16")
    assert layer(x).dtype == "bfloat16"
    assert {w.dtype for w in layer.adapter.weights if "seed" not in w.path} == {
        "float32"
    }
    wanted = by_hand(layer, x)
    np.testing.assert_allclose(tf.cast(layer(x), "float32"), wanted, atol=0.2)


def test_paths_lie_below_the_layers_own():
    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="outer")
            self.inner = Dense(3, name="inner")

        def build(self, shape):
            self.inner.build(shape)

    outer = Outer()
    outer.build((None, 2))
    adapters.attach(outer.inner, 1, 1.0, 0.0)
    assert [w.path for w in outer.weights[2:]] == [
        "outer/inner/adapter/a",
        "outer/inner/adapter/b",
    ]


def test_bad_arguments():
    with pytest.raises(ValueError, match="rank must be positive, got 0"):
        adapters.Adapter(0, 1.0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        adapters.Adapter(1, 1.0, 1.0)

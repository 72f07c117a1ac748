"""Heads on hidden states, by hand and in other words; padding changes none of them."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.layers.heads.classification import HEADS
from tests.tasks.tiny import randomize

CONFIG = TransformerConfig(stack="encoder", hidden_size=6, num_heads=2)
RANDOM = np.random.default_rng(0)
LENGTHS = [7, 1, 4, 2]


def made(name: str, **options):
    head = HEADS[name](CONFIG, 3, **options)
    head.build((None, None, 6))
    return randomize(head)


def states(length: int) -> np.ndarray:
    return RANDOM.normal(size=(length, 6)).astype("float32")


def classified(head, vector: np.ndarray) -> np.ndarray:
    return vector @ head.classes.kernel.numpy() + head.classes.bias.numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pooled(head, x, function=np.tanh):
    layer = head.transform
    return function(x[0] @ layer.kernel.numpy() + layer.bias.numpy())


def gelu(x):
    return x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))) / 2.0


def convolved(head, x):
    found = []
    for n in (3, 4, 5):
        layer = getattr(head, f"width_{n}")
        kernel = layer.kernel.numpy().reshape(n, 6, 100)
        edge = np.zeros((n - 1, 6), "float32")
        padded = np.concatenate([edge, x, edge])
        windows = [
            np.einsum("nd,ndm->m", padded[i : i + n], kernel) + layer.bias.numpy()
            for i in range(len(x) + n - 1)
        ]
        found.append(np.maximum(np.max(windows, axis=0), 0.0))
    return np.concatenate(found)


def lstm_step(read, product, h, c):
    i, f, g, o = np.split(read + product, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(read, product, h, c):
    (xz, xr, xn), (hz, hr, hn) = np.split(read, 3), np.split(product, 3)
    z = sigmoid(xz + hz)
    return z * h + (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn), c


def read_both_ways(head, x, step=lstm_step):
    ends = []
    for layer, rows in ((head.reader.forwards, x), (head.reader.backwards, x[::-1])):
        kernel, bias = layer.projection.kernel.numpy(), layer.projection.bias.numpy()
        h = c = np.zeros(150, "float32")
        for row in rows:
            product = h @ layer.recurrent_kernel.numpy()
            h, c = step(row @ kernel + bias, product, h, c)
        ends.append(h)
    return np.concatenate(ends)


POOLS = {
    "pooled": pooled,
    "pooled_relu": lambda head, x: pooled(head, x, lambda y: np.maximum(y, 0.0)),
    "pooled_gelu": lambda head, x: pooled(head, x, gelu),
    "mean": lambda head, x: x.mean(axis=0),
    "max": lambda head, x: x.max(axis=0),
    "ends": lambda head, x: x[-1],
    "convolution": convolved,
    "lstm": read_both_ways,
    "gru": lambda head, x: read_both_ways(head, x, gru_step),
}


@pytest.mark.parametrize("name", HEADS)
def test_scores_are_those_of_each_text_alone_whatever_the_padding_holds(name):
    head = made(name)
    texts = [states(length) for length in LENGTHS]
    batch = np.stack([np.concatenate([x, states(9 - len(x))]) for x in texts])
    mask = np.array([[1] * n + [0] * (9 - n) for n in LENGTHS], "int32")
    found = tf.function(head)(batch, mask).numpy()
    for x, row in zip(texts, found, strict=True):
        np.testing.assert_allclose(
            row, classified(head, POOLS[name](head, x)), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", HEADS)
def test_a_row_of_padding_alone_gives_numbers_and_no_gradient_that_is_none(name):
    head = made(name)
    hidden = tf.constant(np.stack([states(4), states(4)]))
    mask = tf.constant([[1, 1, 1, 1], [0, 0, 0, 0]])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        scores = head(hidden, mask, training=True)
        loss = tf.reduce_sum(scores[0])
    assert np.isfinite(scores.numpy()).all()
    slopes = tape.gradient(loss, hidden).numpy()
    assert np.isfinite(slopes).all() and not slopes[1].any() and slopes[0].any()


def test_rates_of_dropout():
    config = CONFIG.replace(dropout=0.2)
    rates = {name: cls(config, 2).dropout.rate for name, cls in HEADS.items()}
    own = dict.fromkeys(["convolution", "lstm", "gru"], 0.5)
    assert rates == dict.fromkeys(HEADS, 0.2) | own
    assert HEADS["lstm"](config, 2, dropout=0.1).dropout.rate == 0.1


def test_the_encoders_pooler_takes_the_place_of_the_heads():
    head = HEADS["pooled"](CONFIG.replace(pooler=True), 3)
    head.build()
    x = states(1)[None]
    expected = classified(head, x[0, 0])
    np.testing.assert_allclose(head(x, np.ones((1, 1)))[0], expected, rtol=1e-5)
    assert [w.shape for w in head.weights] == [(6, 3), (3,)]


def test_scores_are_float32_where_states_are_not():
    keras.utils.set_random_seed(0)
    for name, cls in HEADS.items():
        head = cls(CONFIG, 3, dtype="mixed_bfloat16")
        hidden = tf.cast(states(5)[None], tf.bfloat16)
        assert head(hidden, np.ones((1, 5))).dtype == tf.float32, name

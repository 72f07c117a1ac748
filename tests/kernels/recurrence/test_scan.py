"""The loop over tokens: against a loop that TensorFlow differentiates."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.recurrence.cells import CELLS
from massivetext_keras.kernels.recurrence.scan import Rules, scan

LENGTH, BATCH, UNITS = 5, 3, 4


def plainly(name, projected, kernel, states, bias, rules):
    """A loop of Python's over the equations, as they stand in the papers."""
    h, *others = states
    given = []
    for t in range(projected.shape[0]):
        if rules.keep is not None:
            h = h * tf.cast(rules.keep[t], h.dtype)
            others = [x * rules.keep[t] for x in others]
        read = h if rules.mask is None else h * rules.mask
        u = read @ kernel + (0.0 if bias is None else bias)
        x = projected[t]
        if name == "rnn":
            h = tf.tanh(x + u)
        elif name == "lstm":
            i, f, g, o = tf.split(x + u, 4, axis=1)
            c = tf.sigmoid(f) * others[0] + tf.sigmoid(i) * tf.tanh(g)
            h, others = tf.sigmoid(o) * tf.tanh(c), [c]
        else:
            xz, xr, xn = tf.split(x, 3, axis=1)
            uz, ur, un = tf.split(u, 3, axis=1)
            z = tf.sigmoid(xz + uz)
            n = tf.tanh(xn + tf.sigmoid(xr + ur) * un)
            h = z * h + (1.0 - z) * n
        given.append(h)
    return tf.stack(given), (h, *others)


def inputs(name: str, length: int = LENGTH, dtype=tf.float32):
    random = np.random.default_rng(0)
    cell = CELLS[name]

    def normal(*shape, kind=dtype):
        return tf.constant(random.normal(0.0, 0.7, shape), kind)

    width = cell.gates * UNITS
    states = [normal(BATCH, UNITS)]
    states += [normal(BATCH, UNITS, kind=tf.float32)] * (cell.states - 1)
    bias = normal(width) if cell.of_product else None
    keep = tf.constant(random.integers(0, 2, [length, BATCH, 1]), tf.float32)
    mask = tf.constant(random.integers(0, 2, [BATCH, UNITS]) * 2.0, dtype)
    arrays = normal(length, BATCH, width), normal(UNITS, width), bias
    return cell, arrays, tuple(states), Rules(keep, mask), normal(length, BATCH, UNITS)


def gradients_of(function, projected, kernel, bias, upstream):
    variables = [x for x in (projected, kernel, bias) if x is not None]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        given, last = function(projected, kernel, bias)
        loss = tf.reduce_sum(tf.cast(given * upstream, tf.float32))
    return given, last, tape.gradient(loss, variables)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("rules", ["none", "keep", "mask", "both"])
# In pairs: eagerly over several tokens is the next test.
@pytest.mark.parametrize(("length", "graph"), [(1, False), (LENGTH, True)])
def test_values_and_gradients_are_those_of_a_plain_loop(name, rules, length, graph):
    cell, arrays, states, both, upstream = inputs(name, length)
    chosen = {
        "none": Rules(),
        "keep": Rules(both.keep, None),
        "mask": Rules(None, both.mask),
        "both": both,
    }[rules]

    def ours(projected, kernel, bias):
        return scan(cell, projected, kernel, states, bias, chosen)

    def others(projected, kernel, bias):
        return plainly(name, projected, kernel, states, bias, chosen)

    given, last, found = (tf.function(gradients_of) if graph else gradients_of)(
        ours, *arrays, upstream
    )
    expected, ends, slopes = gradients_of(others, *arrays, upstream)
    np.testing.assert_allclose(given, expected, atol=1e-6)
    for x, y in zip(last, ends, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)
    for x, y in zip(found, slopes, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_in_bfloat16_it_is_within_its_rounding(name):
    wide, narrow = inputs(name, 12), inputs(name, 12, tf.bfloat16)
    results = []
    for cell, arrays, states, rules, upstream in (wide, narrow):
        given, last, slopes = gradients_of(
            lambda *x, cell=cell, states=states, rules=rules: scan(
                cell, x[0], x[1], states, x[2], rules
            ),
            *arrays,
            upstream,
        )
        assert given.dtype == last[0].dtype == arrays[0].dtype
        assert all(x.dtype == tf.float32 for x in last[1:])
        results.append([tf.cast(x, tf.float32).numpy() for x in (given, *slopes)])
    for expected, found in zip(*results, strict=True):
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert 0 < error < 0.05


def test_a_loop_of_unknown_length_and_batch():
    cell, (projected, kernel, bias), states, rules, upstream = inputs("gru")
    run = tf.function(
        lambda x, h, keep: scan(cell, x, kernel, (h,), bias, Rules(keep))[0],
        input_signature=[
            tf.TensorSpec([None, None, 3 * UNITS]),
            tf.TensorSpec([None, UNITS]),
            tf.TensorSpec([None, None, 1]),
        ],
    )
    expected, _ = scan(cell, projected, kernel, states, bias, Rules(rules.keep))
    np.testing.assert_allclose(
        run(projected, states[0], rules.keep), expected, atol=1e-6
    )


@pytest.mark.parametrize("name", CELLS)
def test_gradients_go_through_the_states_if_they_are_asked_for(name):
    cell, (projected, kernel, bias), states, rules, upstream = inputs(name)
    rules, results = rules._replace(keep=None), []  # no row forgets
    for through in (None, True, False):
        with tf.GradientTape() as tape:
            tape.watch(states)
            if through is None:
                _, last = plainly(name, projected, kernel, states, bias, rules)
            else:
                more = states, bias, rules, through
                _, last = scan(cell, projected, kernel, *more)
            loss = sum(tf.reduce_sum(x * upstream[0]) for x in last)
        results.append(tape.gradient(loss, states))
    expected, found, stopped = results
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
        assert np.abs(x).max() > 1e-4
    assert stopped == (None,) * len(states)

"""Attention within a loop: against NumPy, and a loop TensorFlow differentiates."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.kernels.recurrence.attending import (
    Memory,
    Weights,
    attend_and_scan,
    look,
)
from massivetext_keras.kernels.recurrence.cells import CELLS
from massivetext_keras.kernels.recurrence.scores import SCORES

LENGTH, BATCH, KEYS, UNITS, WIDTH, SIZE, FED, LAYERS = 4, 3, 5, 4, 6, 3, 7, 2
REAL = [5, 2, 1]  # keys of each row that are no padding


def inputs(cell: str, score: str, combines: bool, dtype=tf.float32):
    random, kind = np.random.default_rng(0), CELLS[cell]

    def normal(*shape, dtype=dtype):
        return tf.constant(random.normal(0.0, 0.7, shape), dtype)

    adds, gates = score == "additive", kind.gates * UNITS
    fed, size = (FED if combines else WIDTH), (SIZE if adds else UNITS)
    weights = Weights(
        normal(fed, gates),
        tuple(normal(UNITS, gates) for _ in range(LAYERS)),
        (normal(UNITS, gates),),
        (normal(gates),),
        normal(UNITS, size) if adds else (),
        normal(size) if adds else (),
        normal(WIDTH + UNITS, fed) if combines else (),
        normal(fed) if combines else (),
    )
    bias = tf.where(tf.sequence_mask(REAL, KEYS), 0.0, -1e9)
    memory = Memory(normal(BATCH, KEYS, WIDTH), normal(BATCH, KEYS, size), bias)
    layer = (dtype, tf.float32)[: kind.states]
    states = tuple(
        tuple(normal(BATCH, UNITS, dtype=x) for x in layer) for _ in range(LAYERS)
    )
    arguments = normal(LENGTH, BATCH, gates), weights, memory, states
    return (*arguments, normal(BATCH, fed)), (normal(LENGTH, BATCH, UNITS),)


def plainly(cell: str, score: str, masks, projected, weights, memory, states, fed):
    """A loop of Python's over the equations, as they stand in the papers."""
    given, found, kind = [], [], CELLS[cell]
    for t in range(projected.shape[0]):
        x, after = None, []
        for i, before in enumerate(states):
            if i == 0:
                total = projected[t] + fed @ weights.fed
            else:
                total = (x * masks[0][t]) @ weights.between[0] + weights.biases[0]
            new = kind.forward(total, before[0] @ weights.recurrent[i], before)
            x = new[0]
            after.append(new)
        if score == "additive":
            inner = tf.tanh(memory.keys + (x @ weights.query)[:, None])
            scores = tf.einsum("bsa,a->bs", inner, weights.vector)
        else:
            scores = tf.einsum("bsa,ba->bs", memory.keys, x)
        weighed = tf.nn.softmax(scores + memory.bias)
        fed = tf.einsum("bs,bsm->bm", weighed, memory.values)
        if not isinstance(weights.combined, tuple):
            both = tf.concat([fed, x], 1)
            fed = tf.tanh(both @ weights.combined + weights.combined_bias)
        states = tuple(after)
        given.append(x)
        found.append(fed)
    return tf.stack(given), tf.stack(found)


def gradients_of(function, arguments):
    projected, weights, memory, states, fed = arguments
    watched = tf.nest.flatten((projected, weights, memory[:2], states, fed))
    with tf.GradientTape() as tape:
        tape.watch(watched)
        outputs = function(*arguments)
        loss = sum(tf.reduce_sum(tf.cast(x, tf.float32) ** 2) for x in outputs)
    return [*outputs, *tape.gradient(loss, watched)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("combines", [False, True])
def test_values_and_gradients_are_those_of_a_plain_loop(cell, score, combines):
    arguments, masks = inputs(cell, score, combines)

    def ours(*arguments):
        return attend_and_scan(CELLS[cell], SCORES[score], *arguments, masks)[:2]

    def others(*arguments):
        return plainly(cell, score, masks, *arguments)

    found = tf.function(lambda: gradients_of(ours, arguments), autograph=False)()
    for x, y in zip(found, gradients_of(others, arguments), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("score", SCORES)
def test_in_bfloat16_it_is_within_its_rounding(score):
    results = []
    for dtype in (tf.float32, tf.bfloat16):
        arguments, masks = inputs("lstm", score, True, dtype)
        narrower = tf.nest.map_structure(lambda x: x * 0.5, arguments[:2])
        arguments = (*narrower, *arguments[2:])
        results.append(
            gradients_of(
                lambda *x, masks=masks: attend_and_scan(
                    CELLS["lstm"], SCORES[score], *x, masks
                )[:2],
                arguments,
            )
        )
    assert results[1][0].dtype == tf.bfloat16
    for expected, found in zip(*results, strict=True):
        error = np.abs(tf.cast(found, tf.float32) - expected).max()
        assert 0 < error < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("score", SCORES)
def test_a_state_looks_as_the_papers_say(score):
    (_, weights, memory, states, _), _ = inputs("gru", score, True)
    state = states[-1][0]
    weighed, context, fed = look(SCORES[score], weights, memory, state)
    wide = tf.nest.map_structure(lambda x: x.numpy().astype("float64"), memory)
    query = state.numpy().astype("float64")
    if score == "additive":  # v · tanh(W s + U h), Bahdanau et al., 2015, A.1.2
        inner = np.tanh((query @ weights.query.numpy())[:, None] + wide.keys)
        scores = inner @ weights.vector.numpy()
    else:  # s · W h, Luong et al., 2015, "general"
        scores = np.einsum("bsa,ba->bs", wide.keys, query)
    for row, real in enumerate(REAL):
        powers = np.exp(scores[row, :real])
        expected = powers / powers.sum()
        np.testing.assert_allclose(weighed[row, :real], expected, rtol=1e-5)
        assert not weighed[row, real:].numpy().any()
        mean = expected @ wide.values[row, :real]
        np.testing.assert_allclose(context[row], mean, rtol=1e-5, atol=1e-6)
        both = np.concatenate([mean, query[row]]) @ weights.combined.numpy()
        expected = np.tanh(both + weights.combined_bias.numpy())
        np.testing.assert_allclose(fed[row], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_all_queries_at_once_are_each_alone(score):
    (_, weights, memory, _, _), _ = inputs("gru", score, True)
    queries = tf.random.stateless_normal([BATCH, 4, memory.keys.shape[2]], [1, 2])
    found = SCORES[score].all(queries, memory.keys, weights.vector)
    for i in range(4):
        expected = SCORES[score].one(queries[:, i], memory.keys, weights.vector)
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-5, atol=1e-6)


def test_a_loop_of_unknown_sizes_and_one_step_without_a_loop():
    (projected, weights, memory, states, fed), _ = inputs("gru", "additive", True)
    run = tf.function(
        lambda x, states: attend_and_scan(
            CELLS["gru"], SCORES["additive"], x, weights, memory, states, fed
        ),
        input_signature=[
            tf.TensorSpec([None, None, projected.shape[2]]),
            tf.nest.map_structure(lambda x: tf.TensorSpec([None, UNITS]), states),
        ],
    )
    whole, now = run(projected, states), (states, fed)
    for t in range(LENGTH):
        step = attend_and_scan(
            CELLS["gru"],
            SCORES["additive"],
            projected[t : t + 1],
            weights,
            memory,
            *now,
        )
        np.testing.assert_allclose(step.given[0], whole.given[t], atol=1e-6)
        np.testing.assert_allclose(step.alignments[0], whole.alignments[t], atol=1e-6)
        now = step.states, step.fed[-1]
    np.testing.assert_allclose(now[1], whole.fed[-1], atol=1e-6)

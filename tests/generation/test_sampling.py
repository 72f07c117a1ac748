"""Choosing a token: limits against sorting, frequencies against probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from massivetext_keras.generation.sampling import (
    SamplingTensors,
    choose,
    gumbel,
    limit,
    penalize,
)

LOGITS = np.log([0.4, 0.25, 0.15, 0.1, 0.06, 0.04]).astype("float32")


def kept_by_sorting(logits, top_k, top_p, min_p) -> set[int]:
    """Tokens left by top-k, then top-p, then min-p, as transformers' warpers do it: all
    that are as probable as the k-th, but of equal ones at the border of top-p the last.
    """
    p = np.exp(logits.astype("float64") - logits.max())
    order = np.argsort(p, kind="stable")  # the least probable first
    if top_k:
        p = np.where(p >= p[order[-min(top_k, len(p))]], p, 0.0)
    p /= p.sum()
    if top_p < 1.0:
        gone = np.cumsum(p[order]) <= 1.0 - top_p + 1e-6
        gone[-1] = False
        p[order[gone]] = 0.0
    shares = p / p.max()
    assume(np.abs(shares - min_p)[p > 0].min() > 1e-5 or min_p in (0.0, 1.0))
    return set(np.flatnonzero((p > 0) & (shares >= min_p)).tolist())


@settings(max_examples=60)
@given(
    st.lists(st.integers(-24, 24), min_size=1, max_size=12),
    st.integers(0, 14),
    st.sampled_from([1.0, 0.99, 0.9, 0.5, 0.31, 0.07]),
    st.sampled_from([0.0, 0.03, 0.2, 0.77, 1.0]),
)
def test_limit_keeps_what_sorting_keeps(quarters, top_k, top_p, min_p):
    logits = np.array(quarters, "float32") / 4
    expected = kept_by_sorting(logits, top_k, top_p, min_p)
    sampling = SamplingTensors.make(top_k=top_k, top_p=top_p, min_p=min_p)
    (found,) = limit(tf.constant([logits]), sampling).numpy()
    assert set(np.flatnonzero(np.isfinite(found)).tolist()) == expected
    assert all(found[i] == logits[i] for i in expected)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"top_k": 2}, [0, 1]),
        ({"top_p": 0.6}, [0, 1]),
        ({"top_p": 0.7}, [0, 1, 2]),
        ({"top_p": 1e-6}, [0]),
        ({"min_p": 0.2}, [0, 1, 2, 3]),
        ({"top_k": 3, "top_p": 0.55}, [0, 1]),  # 0.4 of 0.8 is not yet enough
        ({"top_k": 3, "top_p": 0.49}, [0]),
        ({"top_k": 99}, [0, 1, 2, 3, 4, 5]),
    ],
    ids=str,
)
def test_limits_as_literals(limits, kept):
    found = limit(tf.constant([LOGITS]), SamplingTensors.make(**limits))[0].numpy()
    assert np.flatnonzero(np.isfinite(found)).tolist() == kept


# What transformers 5 keeps: TopKLogitsWarper, then TopPLogitsWarper.
TIED = [
    ([0] * 8, {"top_p": 0.5}, [4, 5, 6, 7]),
    ([0] * 8, {"top_p": 0.51}, [3, 4, 5, 6, 7]),
    ([0] * 10, {"top_p": 0.3}, [7, 8, 9]),
    ([0] * 5, {"top_p": 0.6}, [2, 3, 4]),
    ([0] * 4, {"top_p": 0.25}, [3]),
    (np.log([0.5, 0.25, 0.25]), {"top_p": 0.5}, [0]),
    (np.log([0.5, 0.25, 0.25]), {"top_p": 0.75}, [0, 2]),
    ([1, 0, 2, 0, 1], {"top_k": 2}, [0, 2, 4]),
    ([1, 0, 2, 0, 1], {"top_k": 3, "top_p": 0.8}, [0, 2, 4]),
    ([1, 0, 0, 0, 1], {"top_k": 3}, [0, 1, 2, 3, 4]),
]


@pytest.mark.parametrize(("logits", "limits", "kept"), TIED, ids=str)
def test_equal_tokens_and_exact_borders_are_those_of_transformers(logits, limits, kept):
    logits = tf.constant([logits], tf.float32)
    (found,) = limit(logits, SamplingTensors.make(**limits)).numpy()
    assert np.flatnonzero(np.isfinite(found)).tolist() == kept


def test_a_temperature_near_zero_is_greedy():
    logits = tf.constant([[1.0, 3.0, 2.0]])
    for temperature in (1e-5, 1e-30, 1e-44):
        cold = SamplingTensors.make(temperature=temperature, top_p=0.9)
        assert choose(logits, cold, tf.range(1), tf.constant(0)).numpy() == [1]


def chi_square(tokens: np.ndarray, probabilities: np.ndarray) -> float:
    expected = len(tokens) * probabilities
    counts = np.bincount(tokens, minlength=len(probabilities))
    assert (counts[expected == 0] == 0).all()
    real = expected > 0
    return float(((counts - expected)[real] ** 2 / expected[real]).sum())


def at_temperature(temperature: float) -> np.ndarray:
    p = np.exp(LOGITS.astype("float64") / temperature)
    return p / p.sum()


# 0.1 % of fair samples are beyond these; by degrees of freedom.
CRITICAL = {1: 10.83, 2: 13.82, 5: 20.52, 35: 66.62}


@pytest.mark.parametrize(
    ("options", "probabilities"),
    [
        ({}, at_temperature(1.0)),
        ({"temperature": 0.5}, at_temperature(0.5)),
        ({"temperature": 3.0}, at_temperature(3.0)),
        ({"top_k": 3}, np.array([0.5, 0.3125, 0.1875, 0, 0, 0])),
        ({"top_p": 0.6}, np.array([8, 5, 0, 0, 0, 0]) / 13),
    ],
    ids=str,
)
def test_rows_have_the_frequencies_of_the_probabilities(options, probabilities):
    logits = tf.tile(LOGITS[None], [20000, 1])
    sampling = SamplingTensors.make(**options, seed=11)
    tokens = choose(logits, sampling, tf.range(20000), tf.constant(0)).numpy()
    assert chi_square(tokens, probabilities) < CRITICAL[(probabilities > 0).sum() - 1]


def test_steps_and_seeds_have_the_frequencies_and_are_independent():
    @tf.function
    def tokens(steps, seeds):
        def one(pair):
            sampling = SamplingTensors.make()._replace(seed=pair[1])
            return choose(tf.constant(LOGITS[None]), sampling, [0], pair[0])[0]

        return tf.map_fn(one, (steps, seeds), fn_output_signature=tf.int32)

    numbers, same = tf.range(6000), tf.zeros([6000], tf.int32)
    for found in (tokens(numbers, same), tokens(same, numbers)):
        found, p = found.numpy(), at_temperature(1.0)
        assert chi_square(found, p) < CRITICAL[5]
        pairs = found[0::2] * 6 + found[1::2]
        assert chi_square(pairs, np.outer(p, p).ravel()) < CRITICAL[35]


def test_equal_rows_choose_equally_and_the_seed_decides():
    logits = tf.random.stateless_normal([6, 50], [1, 2])[:1] * tf.ones([6, 1])
    rows = tf.constant([0, 1, 2, 0, 1, 2])

    def tokens(seed, step=0):
        sampling = SamplingTensors.make(seed=seed)
        return choose(logits, sampling, rows, tf.constant(step)).numpy().tolist()

    first = tokens(1)
    assert first[:3] == first[3:] and len(set(first)) > 1
    assert tokens(1) == first != tokens(2)
    assert tokens(1, step=1) != first
    assert SamplingTensors.make(seed=-1).seed == 2**31 - 1


def test_each_row_may_have_its_own_numbers():
    logits = tf.random.stateless_normal([6, 40], [1, 2])
    numbers = [
        {"temperature": 0.0},
        {"seed": 3},
        {"temperature": 0.5, "top_k": 4, "seed": 3},
        {"top_p": 0.3, "repetition_penalty": 1.5},
        {"min_p": 0.4, "temperature": 2.0, "seed": 9},
        {"temperature": 0.0, "repetition_penalty": 4.0},
    ]
    each = [SamplingTensors.make(**some) for some in numbers]
    together = SamplingTensors(*(tf.stack(x) for x in zip(*each, strict=True)))
    rows, steps = tf.zeros([6], tf.int32), tf.range(6)
    seen = logits > 0.0

    def chosen(logits, seen, sampling, rows, step):
        lowered = penalize(logits, seen, sampling.repetition_penalty)
        return choose(lowered, sampling, rows, step).numpy().tolist()

    found = chosen(logits, seen, together, rows, steps)
    right = [
        chosen(logits[i : i + 1], seen[i : i + 1], sampling, rows[:1], steps[i])[0]
        for i, sampling in enumerate(each)
    ]
    assert found == right


def test_gumbel_noise_has_its_mean_and_variance():
    noise = gumbel((100, 1000), tf.constant(5), tf.range(100), tf.constant(3)).numpy()
    assert np.isfinite(noise).all()
    assert abs(noise.mean() - 0.5772157) < 4 * 1.2825 / np.sqrt(1e5)
    assert abs(noise.var() - np.pi**2 / 6) < 0.05


def test_greedy_takes_the_first_of_the_best():
    logits = tf.constant([[0.0, 3.0, 3.0], [5.0, -1.0, 4.9]])
    greedy = SamplingTensors.make(temperature=0.0, top_k=2, seed=9)
    assert choose(logits, greedy, tf.range(2), 7).numpy().tolist() == [1, 0]


def test_penalty_is_that_of_keskar():
    logits = tf.constant([[2.0, -2.0, 0.0, 3.0, -1.0]])
    seen = tf.constant([[True, True, True, False, False]])
    found = penalize(logits, seen, tf.constant(4.0))
    assert found.numpy().tolist() == [[0.5, -8.0, 0.0, 3.0, -1.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ({"temperature": float("nan")}, "temperature must be at least 0, got nan"),
        ({"top_k": -1}, "top_k must be at least 0 .*, got -1"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\], got 0.0"),
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\], got 1.5"),
        ({"min_p": 2}, r"min_p must be in \[0, 1\], got 2"),
        ({"repetition_penalty": 0}, "repetition_penalty must be positive, got 0"),
        ({"top_p": float("nan")}, r"top_p must be in \(0, 1\], got nan"),
        ({"temperature": float("inf")}, "temperature must be at least 0, got inf"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        SamplingTensors.make(**options)
    (name, number) = next(iter(options.items()))
    plain = SamplingTensors.make()
    number = tf.constant(number, getattr(plain, name).dtype)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        plain._replace(**{name: number}).checked()
    assert f"{name} must be" in str(error.value)


def test_a_seed_below_zero_is_the_same_in_a_graph():
    sampling = SamplingTensors.make(seed=-5)
    assert sampling._replace(seed=tf.constant(-5)).checked().seed == sampling.seed

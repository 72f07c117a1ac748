"""The linear chain against all sequences of tags, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.layers.heads.crf import CRF
from massivetext_keras.tasks.tagging.decoding import TagSet

TAGS, LENGTH = 5, 4
ALLOWED = TagSet(["X", "Y"]).allowed()


def made(allowed=None, seed: int = 0) -> CRF:
    crf = CRF(TAGS, allowed)
    random = np.random.default_rng(seed)
    for weight in crf.weights:
        weight.assign(random.normal(size=weight.shape))
    return crf


def emissions_of(rows: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=[rows, LENGTH, TAGS]).astype(np.float32) * 2


def scores(crf: CRF, emissions: np.ndarray) -> dict[tuple[int, ...], float]:
    """Of every sequence for one row [length, tags]; none that is not allowed."""
    first, transitions, last = (
        weight.numpy() + penalty
        for weight, penalty in zip(
            (crf.first, crf.transitions, crf.last), crf._penalties, strict=True
        )
    )
    found = {}
    for tags in itertools.product(range(TAGS), repeat=len(emissions)):
        score = first[tags[0]] + last[tags[-1]]
        score += sum(emissions[i, tag] for i, tag in enumerate(tags))
        score += sum(transitions[pair] for pair in itertools.pairwise(tags))
        if score > -1e6:
            found[tags] = score
    return found


def test_likelihoods_are_those_over_all_sequences():
    crf, emissions = made(), emissions_of(5)
    tags = np.random.default_rng(2).integers(0, TAGS, [5, LENGTH])
    counts = [1, 2, 3, 4, 0]
    mask = np.arange(LENGTH)[None] < np.array(counts)[:, None]
    found = crf.log_likelihood(emissions, tags, mask).numpy()
    for row, count in enumerate(counts[:-1]):
        all_scores = scores(crf, emissions[row, :count])
        total = np.logaddexp.reduce([*all_scores.values()])
        wanted = all_scores[tuple(tags[row, :count])] - total
        assert found[row] == pytest.approx(wanted, abs=1e-4)
    assert found[-1] == 0.0


def test_probabilities_sum_to_one():
    crf, emissions = made(), emissions_of(1)
    sequences = np.array([*itertools.product(range(TAGS), repeat=LENGTH)])
    rows = np.repeat(emissions, len(sequences), axis=0)
    found = crf.log_likelihood(rows, sequences, np.ones(sequences.shape))
    assert tf.reduce_sum(tf.exp(found)).numpy() == pytest.approx(1.0, abs=1e-4)


def test_the_chain_goes_on_behind_what_is_masked():
    crf, emissions = made(), emissions_of(2)
    tags = np.random.default_rng(2).integers(0, TAGS, [2, LENGTH])
    whole = crf.log_likelihood(emissions, tags, np.ones([2, LENGTH])).numpy()
    places = [1, 2, 5, 6]  # of eight
    wide = np.full([2, 8, TAGS], 7.0, np.float32)
    wide_tags, mask = np.full([2, 8], 3), np.zeros([2, 8])
    wide[:, places], wide_tags[:, places], mask[:, places] = emissions, tags, 1
    found = crf.log_likelihood(wide, wide_tags, mask).numpy()
    np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.mark.parametrize("allowed", [None, ALLOWED, TagSet(["X"], "BIOES").allowed()])
def test_decoding_finds_the_best_and_marginals_sum_over_all(allowed):
    crf, emissions = made(allowed), emissions_of(12)
    counts = np.arange(12) % LENGTH + 1
    mask = np.arange(LENGTH)[None] < counts[:, None]
    tags, marginals = crf.decode(emissions, mask), crf.marginals(emissions, mask)
    for row, count in enumerate(counts):
        all_scores = scores(crf, emissions[row, :count])
        best = max(all_scores, key=all_scores.get)
        assert tuple(tags[row, :count].numpy()) == best
        total = np.logaddexp.reduce([*all_scores.values()])
        wanted = np.zeros([count, TAGS])
        for sequence, score in all_scores.items():
            wanted[np.arange(count), sequence] += np.exp(score - total)
        np.testing.assert_allclose(marginals[row, :count], wanted, atol=1e-4)


def test_what_is_not_allowed_is_never_decoded():
    crf = made(ALLOWED)
    names = TagSet(["X", "Y"]).names
    emissions = emissions_of(200, seed=3)
    emissions[:, :, [2, 4]] += 4.0  # I-X and I-Y
    tags = crf.decode(emissions, np.ones(emissions.shape[:2])).numpy()
    for row in tags:
        for before, tag in itertools.pairwise(["O", *(names[i] for i in row)]):
            assert tag[0] != "I" or before[1:] == tag[1:]


def test_a_gradient_leads_to_the_tags():
    crf, emissions = made(), tf.constant(emissions_of(3))
    tags = np.random.default_rng(2).integers(0, TAGS, [3, LENGTH])
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        total = tf.reduce_sum(crf.log_likelihood(emissions, tags, np.ones([3, LENGTH])))
    gradient = tape.gradient(total, emissions).numpy()
    marginals = crf.marginals(emissions, np.ones([3, LENGTH])).numpy()
    np.testing.assert_allclose(gradient, np.eye(TAGS)[tags] - marginals, atol=1e-4)

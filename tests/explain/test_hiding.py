"""Occlusion, LIME and Shapley values: literal games, and models that are linear."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.explain import explain
from massivetext_keras.explain.hiding import game_of, units_of
from massivetext_keras.explain.lime import lime, masks, weighted_ridge
from massivetext_keras.explain.methods import question_of
from massivetext_keras.explain.shapley import partition_values, shapley_values
from massivetext_keras.tasks import TextClassifier
from tests.explain.noise import labelled

TEXT = "the unbelievable cat sat on, the dog"
COEFFICIENTS = np.array([1.0, -2.0, 0.5, 3.0, 0.0])


def linear(seen):
    return seen @ COEFFICIENTS + 4.0


def glove(seen):
    """The glove game: one left glove (0) and two right ones, a pair is worth 1."""
    return 1.0 * (seen[:, 0] & (seen[:, 1] | seen[:, 2]))


def by_orders(game, count: int) -> np.ndarray:
    """Shapley values as they are defined: means over all orders."""
    values = np.zeros(count)
    for order in itertools.permutations(range(count)):
        seen = np.zeros([1, count], bool)
        for unit in order:
            before = game(seen)[0]
            seen[0, unit] = True
            values[unit] += game(seen)[0] - before
    return values / math.factorial(count)


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return labelled()


def test_shapley_values_of_the_glove_game():
    """Those of the literature: 2/3, 1/6, 1/6."""
    values, base, output = shapley_values(glove, 3)
    np.testing.assert_allclose(values, [2 / 3, 1 / 6, 1 / 6], rtol=1e-6)
    assert (base, output) == (0.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16))
def test_shapley_values_are_means_over_orders(table):
    table = np.array(table)

    def game(seen):
        return table[seen @ (1 << np.arange(4))]

    values, base, output = shapley_values(game, 4)
    np.testing.assert_allclose(values, by_orders(game, 4), atol=1e-5)
    assert values.sum() == pytest.approx(output - base, abs=1e-4)


def test_sampled_shapley_values_are_near_and_sum_up():
    """Of pairs that work together a permutation and its reverse give the values."""

    def game(seen):
        return seen @ np.arange(14.0) + 3.0 * (seen[:, 0] & seen[:, 13])

    values, base, output = shapley_values(game, 14, samples=2)
    wanted = np.arange(14.0) + 1.5 * np.isin(np.arange(14), [0, 13])
    np.testing.assert_allclose(values, wanted, rtol=1e-6)
    assert (base, output) == (0.0, 94.0)
    again, _, _ = shapley_values(game, 14, samples=2, seed=5)
    np.testing.assert_allclose(again, wanted, rtol=1e-6)


def test_lime_recovers_a_linear_model():
    values, base, output = lime(linear, 5, samples=200, ridge=0.0)
    np.testing.assert_allclose(values, COEFFICIENTS, atol=1e-6)
    assert (base, output) == (4.0, 6.5)
    shrunk, _, _ = lime(linear, 5, samples=200, ridge=1.0)
    assert (abs(shrunk) <= abs(COEFFICIENTS) + 0.05).all()
    np.testing.assert_allclose(shrunk, COEFFICIENTS, atol=0.5)


def test_the_ridge_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=30)
    weights = random.uniform(0.1, 1.0, 30)
    model = linear_model.Ridge(alpha=1.7).fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(weighted_ridge(x, y, weights, 1.7), model.coef_)


def test_masks_hide_one_to_all():
    rows = masks(3, 600)
    assert rows[0].all() and not rows[1:].all(axis=1).any()
    shares = np.bincount((~rows[1:]).sum(axis=1), minlength=4)[1:] / 599
    np.testing.assert_allclose(shares, [1 / 3] * 3, atol=0.08)


@pytest.mark.parametrize("method", ["occlusion", "shapley", "lime"])
def test_words_are_hidden_together(classifier, method):
    found = explain(classifier, TEXT, method, target="ham", unit="word")
    words = ("the", "unbelievable", "cat", "sat", "on", ",", "the", "dog")
    assert found.tokens == words and found.words().tokens == words
    assert found.offsets[1].tolist() == [4, 16]


def test_occlusion_is_the_difference_of_two_answers(classifier):
    found = explain(classifier, TEXT, "occlusion", target="ham", unit="word")
    texts = [TEXT, TEXT.replace("cat", "[MASK]")]
    ids = [classifier.tokenizer.tokenize(x, parse_special=True) for x in texts]
    assert len(ids[0]) == len(ids[1])
    rows = np.array([[2, *row.numpy(), 3] for row in ids])
    logits = classifier({"token_ids": rows})[:, 0].numpy()
    assert found.scores[2] == pytest.approx(logits[0] - logits[1], abs=1e-5)


def test_shapley_values_of_a_text_are_means_over_orders(classifier):
    text = "the unbelievable cat"
    found = explain(classifier, text, "shapley", target="ham")
    question = question_of(classifier, text, "ham")
    subsets = np.arange(32)[:, None] >> np.arange(5) & 1 == 1
    table = game_of(classifier, question, units_of(question), 4)(subsets)

    def game(seen):
        return table[seen @ (1 << np.arange(5))]

    np.testing.assert_allclose(found.scores, by_orders(game, 5), atol=1e-4)
    assert found.gap == pytest.approx(0.0, abs=1e-4)


@pytest.mark.slow
def test_shap_finds_the_exact_values(classifier):
    """`shap.explainers.Exact` over the same outputs."""
    shap = pytest.importorskip("shap")
    question = question_of(classifier, TEXT, "ham")
    units = units_of(question, "word")
    game = game_of(classifier, question, units, 4)

    def masker(seen, row):
        return (np.asarray(seen, bool)[None],)

    masker.shape = (1, units.count)
    peer = shap.explainers.Exact(lambda rows: game(rows).astype(float), masker)
    wanted = peer(np.ones([1, units.count])).values[0]
    values, _, _ = shapley_values(game, units.count)
    np.testing.assert_allclose(values, wanted, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("game", "count"), [(linear, 5), (glove, 2)])
def test_partition_is_shapley_where_units_do_not_interact_or_are_two(game, count):
    pytest.importorskip("shap")
    if game is glove:

        def pair(seen):
            return glove(np.c_[seen, np.zeros(len(seen), bool)])

        game = pair
    values, base, output = partition_values(game, count)
    exact = shapley_values(game, count)
    np.testing.assert_allclose(values, exact[0], atol=1e-6)
    assert (base, output) == exact[1:]


@pytest.mark.slow
def test_partition_sums_up(classifier):
    pytest.importorskip("shap")
    found = explain(classifier, TEXT, "partition", target="ham", unit="word")
    assert found.gap == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    "method",
    [
        "occlusion",
        "shapley",
        "lime",
        pytest.param("partition", marks=pytest.mark.slow),  # imports numba
    ],
)
def test_an_empty_text_has_no_scores(classifier, method):
    if method == "partition":
        pytest.importorskip("shap")
    found = explain(classifier, "", method, target="ham")
    assert found.tokens == () and found.output == found.base

"""Explanations change with the weights, and the weights come back."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.explain import explain, sanity_check
from massivetext_keras.explain.sanity import (
    parts_from_the_top,
    rank_correlation,
    weights_given_back,
)
from massivetext_keras.tasks import TextClassifier
from tests.explain.noise import labelled

TEXTS = ["the unbelievable cat sat on the mat", "the dog, sat on the unbelievable mat"]


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return labelled(num_layers=2)


def test_ranks_are_compared_as_spearman():
    first, second = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([5, 6, 7, 8, 7.0])
    assert rank_correlation(first, second) == pytest.approx(0.8207826816681233)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)
    assert rank_correlation(first, np.ones(5)) == 0.0


def test_parts_are_all_weights_once(classifier):
    parts = parts_from_the_top(classifier)
    assert list(parts) == ["head", "stack/1", "stack/0", "rest"]
    weights = [id(x) for some in parts.values() for x in some]
    named = {id(x) for x in classifier.named_weights().values()}
    assert len(weights) == len(set(weights)) and named <= set(weights)


def test_explanations_are_of_the_weights(classifier):
    before = [weight.numpy() for weight in classifier.weights]
    scores = explain(classifier, TEXTS[0], "occlusion", "ham").scores
    found = sanity_check(classifier, TEXTS, "occlusion", "ham")
    assert list(found) == ["head", "stack/1", "stack/0", "rest"]
    assert max(found.values()) < 0.9
    for weight, values in zip(classifier.weights, before, strict=True):
        np.testing.assert_array_equal(weight, values)
    again = explain(classifier, TEXTS[0], "occlusion", "ham").scores
    np.testing.assert_array_equal(again, scores)


def test_weights_come_back_after_an_error(classifier):
    weight = classifier.weights[0]
    before = weight.numpy()
    with pytest.raises(RuntimeError), weights_given_back(classifier):
        weight.assign(before + 1.0)
        raise RuntimeError
    np.testing.assert_array_equal(weight, before)


def test_a_check_needs_a_target(classifier):
    with pytest.raises(ValueError, match="needs a target"):
        sanity_check(classifier, TEXTS, "occlusion", None)

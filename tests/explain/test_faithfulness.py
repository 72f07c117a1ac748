"""Measures of explanations: literal games, and the order in which they rank scores."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.explain import METHODS, explain, faithfulness
from massivetext_keras.explain.faithfulness import area, curves, faithfulness_of
from massivetext_keras.tasks import TextClassifier
from tests.explain.noise import labelled

GAINS = np.array([4.0, 3.0, 2.0, 1.0])


def game(seen):
    return seen @ GAINS


def test_curves_follow_the_scores():
    deletion, insertion = curves(game, np.array([0.1, 0.9, -0.5, 0.2]))
    assert deletion.tolist() == [10.0, 7.0, 6.0, 2.0, 0.0]
    assert insertion.tolist() == [0.0, 3.0, 4.0, 8.0, 10.0]
    assert area(deletion) == (8.5 + 6.5 + 4.0 + 1.0) / 4


def test_measures_of_four_units():
    """Shares of 1 to 20 % are one unit of four, 50 % are two."""
    found = faithfulness_of(game, GAINS)
    assert found.deletion == (8.0 + 4.5 + 2.0 + 0.5) / 4
    assert found.insertion == (2.0 + 5.5 + 8.0 + 9.5) / 4
    assert found.comprehensiveness == pytest.approx((4 * 4.0 + 7.0) / 5)
    assert found.sufficiency == pytest.approx((4 * 6.0 + 3.0) / 5)
    worst = faithfulness_of(game, -GAINS)
    assert worst.comprehensiveness == pytest.approx((4 * 1.0 + 3.0) / 5)
    assert worst.deletion == found.insertion and worst.insertion == found.deletion


def test_shares_of_units_are_rounded_up():
    """Of ten units 1 to 10 % are one, 20 % are two, 50 % are five."""

    def ten(seen):
        return seen.sum(axis=1).astype(float)

    found = faithfulness_of(ten, np.arange(10.0))
    assert found.comprehensiveness == pytest.approx((3 * 1 + 2 + 5) / 5)
    assert found.sufficiency == pytest.approx((3 * 9 + 8 + 5) / 5)


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    return labelled()


def test_methods_are_measured_beside_random_scores(classifier):
    texts = ["the unbelievable cat sat on the mat", "the dog, sat"]
    how = {"output": "probability", "options": {"shapley": {"samples": 8}}}
    found = faithfulness(classifier, texts, ["occlusion", "shapley"], "spam", **how)
    assert list(found) == ["occlusion", "shapley", "random"]
    for one in found.values():
        assert 0.0 <= one.deletion <= 1.0 and 0.0 <= one.insertion <= 1.0
    # One word is what the best word is for scores of occlusion: the most is lost.
    assert found["occlusion"].comprehensiveness > found["random"].comprehensiveness
    again = explain(classifier, texts[1], "occlusion", "spam", unit="word")
    assert len(again.tokens) == 4


def test_a_text_without_words_is_named(classifier):
    with pytest.raises(ValueError, match=r"text ' ' has no words"):
        faithfulness(classifier, ["the cat", " "], ["occlusion"])
    with pytest.raises(ValueError, match="there are no texts"):
        faithfulness(classifier, [], ["occlusion"])
    assert "occlusion" in METHODS

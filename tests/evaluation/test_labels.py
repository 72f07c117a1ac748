"""Measures of labels against numbers counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.evaluation import (
    confusion,
    draw_confusion,
    label_measures,
    number_measures,
)

pytest.importorskip("sklearn")

TRUE = ["ham", "ham", "ham", "spam", "spam", "odd"]
GIVEN = ["ham", "ham", "spam", "spam", "ham", "ham"]


def test_measures_of_one_label():
    values = label_measures(TRUE, GIVEN)
    # ham: 2 right of 4 given and 3 true; spam: 1 of 2 and 2; odd: none
    by_hand = {
        "accuracy": 3 / 6,
        "precision/ham": 2 / 4,
        "recall/ham": 2 / 3,
        "f1/ham": 4 / 7,
        "precision/spam": 1 / 2,
        "recall/spam": 1 / 2,
        "f1/spam": 1 / 2,
        "precision/odd": 0.0,
        "recall/odd": 0.0,
        "f1/odd": 0.0,
        "f1_macro": (4 / 7 + 1 / 2) / 3,
        "precision_macro": 1 / 3,
        "recall_macro": (2 / 3 + 1 / 2) / 3,
        "f1_micro": 1 / 2,
        "precision_micro": 1 / 2,
        "recall_micro": 1 / 2,
    }
    assert values == pytest.approx(by_hand) and next(iter(values)) == "accuracy"


def test_measures_of_several_labels():
    true = [("a", "b"), (), ("b",), ("c",)]
    given = [("b", "a"), ("a",), (), ("c",)]
    values = label_measures(true, given)
    assert values["accuracy"] == 2 / 4  # the order of labels is none
    assert values["precision_micro"] == 3 / 4 and values["recall_micro"] == 3 / 4
    assert values["f1/a"] == pytest.approx(2 / 3)
    assert values["f1/b"] == pytest.approx(2 / 3)
    assert values["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert label_measures([()], [()]) == {"accuracy": 1.0}
    # of a single label, too: not of its presence and its absence
    one = label_measures([("a",), ("a",), ()], [("a",), (), ()])
    assert one["f1/a"] == one["f1_macro"] == one["f1_micro"] == pytest.approx(2 / 3)


def test_confusion_and_its_picture():
    matrix = confusion(TRUE, GIVEN, ["ham", "spam"])
    assert matrix.tolist() == [[2, 1], [1, 1]]  # "odd" is not among the labels
    assert confusion(["odd"], ["ham"], ["ham", "spam"]).tolist() == [[0, 0], [0, 0]]
    pytest.importorskip("matplotlib")
    pictures = [
        draw_confusion(np.array(m), ["a$b$", "a long name of a label"])
        for m in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, 0], [0, 0]])
    ]
    assert all(p.dtype == np.uint8 and p.shape == (500, 500, 3) for p in pictures)
    # Cells are darker the more of their row they hold.
    cells = [p[:, 200:].mean(axis=2) < 130 for p in pictures]
    assert [c.mean() > 0.1 for c in cells] == [True, True, False]
    assert (cells[0] & cells[1]).sum() < 0.2 * cells[0].sum()  # other ones are
    many = draw_confusion(np.eye(100, dtype=int), list(map(str, range(100))))
    assert many.shape == (1600, 1600, 3)


def test_measures_of_numbers():
    values = number_measures([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 5.0])
    assert values["mean_squared_error"] == pytest.approx(3 / 4)
    assert values["mean_absolute_error"] == pytest.approx(3 / 4)
    assert values["r2"] == pytest.approx(1 - 3 / 5)
    assert values["spearman"] == pytest.approx(0.8)
    assert values["pearson"] == pytest.approx(
        np.corrcoef([1, 2, 3, 4], [1, 3, 2, 5])[0, 1]
    )
    flat = number_measures([1.0, 2.0], [3.0, 3.0])
    assert flat["pearson"] == flat["spearman"] == 0.0
    assert number_measures([1.0], [2.0])["r2"] == 0.0


def test_sides_of_other_lengths():
    for function in (label_measures, number_measures):
        with pytest.raises(ValueError, match="2 right answers and 1 predictions"):
            function([1, 2], [1])
        with pytest.raises(ValueError, match="and some"):
            function([], [])

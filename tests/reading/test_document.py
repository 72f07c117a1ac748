"""What steps share."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, Check, reasons
from massivetext_keras.reading.document import Document


@pytest.mark.parametrize(
    ("bound", "failed"),
    [
        ({"at_least": 2}, [True, False, False]),
        ({"at_most": 2}, [False, False, True]),
        ({"above": 2}, [True, True, False]),
        ({"below": 2}, [False, True, True]),
        ({"at_least": 2, "below": 3}, [True, False, True]),
        ({}, [False, False, False]),
    ],
)
def test_which_values_fail(bound, failed):
    assert Check("n", np.array([1.0, 2.0, 3.0]), **bound).failed.tolist() == failed


def test_a_value_that_was_not_measured_passes():
    check = Check("n", np.array([np.nan]), 5, 6, 7, 8)
    assert not check.failed.any()


def test_the_first_check_that_fails_is_the_reason():
    checks = [
        Check("first", np.array([1.0, 0.0, 0.0]), at_least=1),
        Check("second", np.array([0.0, 0.0, 1.0]), at_least=1),
    ]
    assert reasons(checks, 3) == ["second", "first", "first"]


def test_a_view_is_made_once_and_forgotten_when_texts_change():
    made = []

    def lengths(batch):
        made.append(1)
        return [len(text) for text in batch.texts]

    batch = Batch([Document("one"), Document("three")])
    assert batch.view(lengths) == batch.view(lengths) == [3, 5]
    assert len(made) == 1
    batch.rewrite(["a", "bc"])
    assert batch.view(lengths) == [1, 2]
    assert batch.select([1]).texts == ["bc"]

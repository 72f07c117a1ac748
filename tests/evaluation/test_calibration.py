"""Calibration against literal numbers and a plain search."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.evaluation import expected_calibration_error, fit_temperature


def test_the_error_is_the_mean_gap_of_the_bins():
    # (0.6, 0.8]: mean confidence 0.7, a third right; (0.8, 1.0]: 0.95, all right
    sure = [0.65, 0.7, 0.75, 0.95, 0.95]
    right = [True, False, False, True, True]
    error = expected_calibration_error(sure, right, bins=5)
    assert error == pytest.approx(3 / 5 * (0.7 - 1 / 3) + 2 / 5 * 0.05)
    assert expected_calibration_error([0.0, 1.0], [False, True]) == 0.0
    assert expected_calibration_error([1.0], [False]) == 1.0
    with pytest.raises(ValueError, match="1 confidences of 2 answers"):
        expected_calibration_error([0.5], [True, False])
    with pytest.raises(ValueError, match="and some"):
        expected_calibration_error([], [])


def loss(logits, targets, temperature):
    scaled = logits / temperature
    if targets.ndim == 2:
        return (np.logaddexp(0.0, scaled) - targets * scaled).sum()
    rows = np.arange(len(targets))
    return (np.logaddexp.reduce(scaled, axis=1) - scaled[rows, targets]).sum()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("truth", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_likeliest_of_all(several, truth):
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (4000, 5))
    if several:
        chances = 1 / (1 + np.exp(-logits / truth))
        targets = (random.random(logits.shape) < chances).astype("float32")
    else:
        noise = random.gumbel(size=logits.shape)
        targets = (logits / truth + noise).argmax(axis=1)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(truth, rel=0.1)
    grid = np.geomspace(found / 1.2, found * 1.2, 101)
    best = grid[np.argmin([loss(logits, targets, t) for t in grid])]
    assert found == pytest.approx(best, rel=0.005)


def test_temperatures_are_bounded_where_the_likelihood_is_not():
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(0.05)
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(20.0)

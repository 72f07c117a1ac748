"""Norms and movements of weights, against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from massivetext_keras.training.watching.probes import WeightProbe


class Weights(keras.Model):
    def __init__(self, *shapes):
        super().__init__()
        for i, shape in enumerate(shapes):
            self.add_weight(shape=shape, initializer="random_normal", name=f"w{i}")
        self.built = True


def change(model, random) -> float:
    """Moves every weight, each by another share, and gives |change| / |weights|."""
    moved = size = 0.0
    for i, weight in enumerate(model.trainable_variables):
        before = weight.numpy()
        weight.assign(before * (1 + 0.01 * (i + 1) * random.normal(size=before.shape)))
        moved += ((weight.numpy() - before) ** 2).sum()
        size += (before**2).sum()
    return float(np.sqrt(moved / size))


def test_the_ratio_of_small_weights_is_exact():
    model, random = Weights([7, 3], [5]), np.random.default_rng(0)
    probe = WeightProbe(model)
    assert probe.ratio() is None
    for _ in range(2):
        probe.note()
        expected = change(model, random)
        assert probe.ratio() == pytest.approx(expected, rel=1e-5)
    assert probe.ratio() is None
    size = np.sqrt(sum((w.numpy() ** 2).sum() for w in model.trainable_variables))
    assert float(probe.norm()) == pytest.approx(size, rel=1e-6)


def test_the_ratio_of_large_weights_is_that_of_a_part_of_them():
    model, random = Weights([1024, 512], [300], [256, 257]), np.random.default_rng(0)
    probe = WeightProbe(model)
    probe.note()
    kept = sum(int(np.prod(part.shape)) for part in probe._before)
    assert kept < 3 * (1 << 16)
    expected = change(model, random)
    assert probe.ratio() == pytest.approx(expected, rel=0.02)

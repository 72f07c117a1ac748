"""Epsilon is what papers and tables have for the same numbers."""

from __future__ import annotations

import math

import pytest

from massivetext_keras.privacy import DPSGD, epsilon, noise_for, updates_within


def poisson(noise: float, delta: float = 1e-5) -> DPSGD:
    return DPSGD(1.0, noise, delta, sampling="poisson", expected_rows=100)


def moments_accountant(q: float, sigma: float, updates: int, delta: float) -> float:
    """Abadi et al., 2016, by the sums of Mironov et al., 2019, for whole orders."""
    bounds = []
    for order in range(2, 64):
        terms = [
            math.comb(order, k)
            * (1 - q) ** (order - k)
            * q**k
            * math.exp(k * (k - 1) / (2 * sigma**2))
            for k in range(order + 1)
        ]
        moment = updates * math.log(sum(terms))
        bounds.append((moment - math.log(delta)) / (order - 1))
    return min(bounds)


def test_abadi_2016():
    # Section 3.1: q = 0.01, sigma = 4, 10,000 updates: epsilon 1.26
    old = moments_accountant(0.01, 4.0, 10_000, 1e-5)
    assert old == pytest.approx(1.26, abs=0.01)
    found = epsilon(poisson(4.0), 10_000, 100, 10_000)
    tight = epsilon(poisson(4.0), 10_000, 100, 10_000, accountant="pld")
    assert 0.9 < tight < found < old  # what is known by now is tighter


def gaussian_delta(epsilon: float, sigma: float) -> float:
    """Balle & Wang, 2018, of one Gaussian mechanism of sensitivity 1."""

    def below(x):
        return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))

    one = below(0.5 / sigma - epsilon * sigma)
    return one - math.exp(epsilon) * below(-0.5 / sigma - epsilon * sigma)


@pytest.mark.parametrize(("noise", "passes"), [(1.0, 1), (4.0, 3), (10.0, 25)])
def test_passes_are_gaussian_mechanisms(noise, passes):
    # So many mechanisms are one of sigma / sqrt(passes).
    sizes = 1000, 30
    found = epsilon(DPSGD(1.0, noise), *sizes, 34 * passes, accountant="pld")
    right = gaussian_delta(found, noise / math.sqrt(passes))
    assert right == pytest.approx(1e-5, rel=0.05)
    last = epsilon(DPSGD(1.0, noise), *sizes, 34 * passes - 33, accountant="pld")
    assert last == pytest.approx(found)  # a pass that is begun counts


def test_sampling_amplifies():
    whole = epsilon(DPSGD(1.0, 1.0), 6_918, 256, 135)
    assert epsilon(poisson(1.0), 6_918, 256, 135) < whole / 2


def test_noise_and_updates_for_a_budget():
    noise = noise_for(3.0, poisson(1.0), 6_918, 256, 135)
    assert 2.9 < epsilon(poisson(noise), 6_918, 256, 135) <= 3.0
    tight = noise_for(3.0, poisson(1.0), 6_918, 256, 135, accountant="pld")
    assert tight < noise
    found = epsilon(poisson(tight), 6_918, 256, 135, accountant="pld")
    assert 2.9 < found <= 3.0
    little = noise_for(200.0, poisson(1.0), 6_918, 256, 135)
    assert 190.0 < epsilon(poisson(little), 6_918, 256, 135) <= 200.0
    most = updates_within(3.0, poisson(1.0), 6_918, 256)
    assert epsilon(poisson(1.0), 6_918, 256, most) <= 3.0
    assert epsilon(poisson(1.0), 6_918, 256, most + 1) > 3.0
    assert updates_within(0.01, poisson(1.0), 6_918, 256) == 0


def test_extremes_and_bad_numbers():
    assert epsilon(poisson(1.0), 1000, 100, 0) == 0.0
    assert epsilon(poisson(0.0), 1000, 100, 1) == math.inf
    with pytest.raises(ValueError, match="more than the 10 rows"):
        epsilon(poisson(1.0), 10, 11, 1)
    with pytest.raises(ValueError, match="updates must be at least 0"):
        epsilon(poisson(1.0), 10, 5, -1)
    with pytest.raises(ValueError, match="did you mean 'rdp'"):
        epsilon(poisson(1.0), 10, 5, 1, accountant="rpd")
    with pytest.raises(ValueError, match="no number of updates"):
        updates_within(1.0, poisson(0.0), 10, 5)
    with pytest.raises(ValueError, match="target must be positive"):
        noise_for(0.0, poisson(1.0), 10, 5, 1)

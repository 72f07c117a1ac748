"""How much the weights may tell of one row: epsilon, by Google's dp-accounting."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from massivetext_keras.optimization.gradients.private import DPSGD
from massivetext_keras.support.extras import need
from massivetext_keras.support.values import check_least, choose

# Of Rényi divergences (Mironov, 2017), fast; of privacy loss distributions (Koskela et
# al., 2020), tight.
ACCOUNTANTS = ("rdp", "pld")
_LEAST = 0.01  # of a noise multiplier that is looked for


def epsilon(
    privacy: DPSGD, rows: int, batch_size: int, updates: int, accountant: str = "rdp"
) -> float:
    """The epsilon at `privacy.delta` of so many updates, where neighbours are data with
    a row and without it.

    Of "poisson" batches it is amplified by sampling (Abadi et al., 2016; Mironov et
    al., 2019). In "epochs" each row is in one batch of each pass, so passes compose,
    and nothing is amplified: what shuffling adds is not counted.

    Args:
        privacy: how gradients were clipped and noised.
        rows: of the data.
        batch_size: rows of a global batch, with "poisson" on average.
        updates: that were made.
        accountant: "rdp", or "pld", which takes seconds and gives a little less.

    Returns:
        Infinity without noise, 0 before the first update.

    Raises:
        ValueError: a number is out of its range.
        ImportError: dp-accounting is not installed.

    >>> private = DPSGD(noise_multiplier=1.0, sampling="poisson", expected_rows=256)
    >>> round(epsilon(private, rows=6_918, batch_size=256, updates=135), 2)
    3.41
    """
    choose("accountant", accountant, dict.fromkeys(ACCOUNTANTS))
    check_least(1, rows=rows, batch_size=batch_size)
    check_least(0, updates=updates)
    if batch_size > rows:
        raise ValueError(f"batch_size {batch_size} is more than the {rows} rows")
    if not updates:
        return 0.0
    if not privacy.noise_multiplier:
        return math.inf
    found = _accountant(accountant)
    found.compose(*_event(privacy, rows, batch_size, updates))
    return float(found.get_epsilon(privacy.delta))


def _accountant(name: str) -> Any:
    accounting = need("dp_accounting", "privacy")
    if name == "pld":
        return need("dp_accounting.pld", "privacy").PLDAccountant()
    return accounting.rdp.RdpAccountant()


def _event(privacy: DPSGD, rows: int, batch_size: int, updates: int) -> tuple:
    """What was done to the data, and how often."""
    accounting = need("dp_accounting", "privacy")
    noise = accounting.GaussianDpEvent(privacy.noise_multiplier)
    if privacy.sampling == "poisson":
        return accounting.PoissonSampledDpEvent(batch_size / rows, noise), updates
    return noise, -(-updates // -(-rows // batch_size))


def noise_for(
    target: float,
    privacy: DPSGD,
    rows: int,
    batch_size: int,
    updates: int,
    accountant: str = "rdp",
) -> float:
    """The least noise multiplier, to 1 %, with which so many updates stay within an
    epsilon; the other arguments are those of `epsilon`.

    Args:
        target: epsilon that is allowed.

    Raises:
        ValueError: it is not positive, or see `epsilon`.
    """
    if not target > 0.0:
        raise ValueError(f"target must be positive, got {target}")

    def fits(noise: float) -> bool:
        noisy = dataclasses.replace(privacy, noise_multiplier=noise)
        return epsilon(noisy, rows, batch_size, updates, accountant) <= target

    high, step = 0.5, 2.0
    if accountant == "pld":  # asks for a little less, and takes longer to tell
        high, step = noise_for(target, privacy, rows, batch_size, updates), 1.1
    while not fits(high):
        high *= step
    low = high / step
    while low > _LEAST and fits(low):
        high, low = low, low / step
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def updates_within(
    target: float, privacy: DPSGD, rows: int, batch_size: int, accountant: str = "rdp"
) -> int:
    """The most updates that stay within an epsilon; 0 if the first does not.

    Args:
        target: epsilon that is allowed.

    The other arguments are those of `epsilon`.

    Raises:
        ValueError: there is no noise, or see `epsilon`.
    """
    if not privacy.noise_multiplier:
        raise ValueError("noise_multiplier=0: no number of updates is private")
    return _most(lambda n: epsilon(privacy, rows, batch_size, n, accountant) <= target)


def _most(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, where all smaller ones do."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low

"""Whether probabilities are what they say, and the one number that mends them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEPS = 60  # halvings of an interval of temperatures
_LEAST, _MOST = 0.05, 20.0


def expected_calibration_error(
    confidences: Sequence[float], right: Sequence[bool], bins: int = 15
) -> float:
    """How far confidence and accuracy lie apart (Naeini et al., 2015).

    Args:
        confidences: probability of each answer, in [0, 1].
        right: whether it was right.
        bins: of equal width, over whose answers both are averaged.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> expected_calibration_error([0.9, 0.9, 0.6, 0.6], [True, True, True, False])
    0.1
    """
    if len(confidences) != len(right) or not len(right):
        raise ValueError(
            f"{len(confidences)} confidences of {len(right)} answers: there must be as "
            "many, and some"
        )
    sure, hits = np.asarray(confidences, float), np.asarray(right, float)
    # a bin has its upper end and not its lower one
    places = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, sure - hits, minlength=bins)
    return round(float(np.abs(gaps).sum() / len(right)), 12)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature whose probabilities make the right labels most likely.

    Logits are divided by it, which changes no order (Guo et al., 2017). The likelihood
    is concave in its inverse, so halving an interval finds the only best.

    Args:
        logits: float [n, classes].
        targets: int [n], the right class; or [n, classes] of 0 and 1, for classes that
            are each told by a sigmoid.

    Returns:
        From 0.05 to 20.

    >>> logits = np.log([[9.0, 1.0]] * 4)
    >>> temperature = fit_temperature(logits, np.array([0, 0, 0, 1]))
    >>> np.round(1 / (1 + np.exp(np.diff(logits[0]) / temperature)), 3).tolist()
    [0.75]
    """
    logits, targets = np.asarray(logits, float), np.asarray(targets)
    several = targets.ndim == 2
    wanted = targets if several else np.eye(logits.shape[1])[targets]

    def slope(inverse: float) -> float:
        """Of the negative log-likelihood."""
        scaled = logits * inverse
        if several:
            given = 0.5 * (1.0 + np.tanh(0.5 * scaled))
        else:
            given = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            given /= given.sum(axis=1, keepdims=True)
        return float(((given - wanted) * logits).sum())

    low, high = 1.0 / _MOST, 1.0 / _LEAST
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    return 1.0 / high

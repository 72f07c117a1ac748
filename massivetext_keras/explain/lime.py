"""LIME: a linear model that agrees with the task near a text."""

from __future__ import annotations

import numpy as np

from massivetext_keras.explain.gradients import Found
from massivetext_keras.explain.hiding import Game

SAMPLES = 1000
WIDTH = 0.25  # of the kernel, in cosine distance


def lime(
    outputs: Game,
    count: int,
    samples: int = SAMPLES,
    ridge: float = 1.0,
    seed: int = 0,
) -> Found:
    """Coefficients of a weighted ridge regression (Ribeiro et al., 2016).

    Random units are hidden, one to all of them; a row weighs the more, the nearer it is
    to the text. As in the authors' package: a row with k of n units is at a cosine
    distance d = 1 - sqrt(k / n), and weighs exp(-d^2 / (2 WIDTH^2)); the intercept is
    not shrunk.

    Args:
        outputs: of units that are seen.
        count: how many units there are.
        samples: rows, the text itself included.
        ridge: weight of the squared coefficients beside the weighted squared errors.
        seed: of the rows.

    >>> def game(seen):
    ...     return seen @ np.array([1.0, -2.0, 0.5]) + 4.0
    >>> values, base, output = lime(game, 3, ridge=0.0)
    >>> np.allclose(values, [1.0, -2.0, 0.5]), round(base, 6), round(output, 6)
    (True, 4.0, 3.5)
    """
    seen = masks(count, samples, seed)
    ends = np.stack([np.ones(count, bool), np.zeros(count, bool)])
    found = outputs(np.concatenate([ends, seen[1:]])).astype(np.float64)
    output, base = found[:2]
    found = np.concatenate([found[:1], found[2:]])
    far = 1.0 - np.sqrt(seen.mean(axis=1)) if count else np.zeros(len(seen))
    weights = np.exp(-(far**2) / (2.0 * WIDTH**2))
    values = weighted_ridge(seen.astype(float), found, weights, ridge)
    return values.astype(np.float32), float(base), float(output)


def masks(count: int, samples: int, seed: int = 0) -> np.ndarray:
    """All units, then random ones without 1 to all of them; bool [samples, units]."""
    random = np.random.default_rng(seed)
    seen = np.ones([samples, count], bool)
    for row in seen[1:] if count else ():
        hidden = random.choice(count, random.integers(1, count + 1), replace=False)
        row[hidden] = False
    return seen


def weighted_ridge(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, ridge: float
) -> np.ndarray:
    """The coefficients that minimise sum_i w_i (y_i - b - x_i c)^2 + ridge |c|^2.

    Args:
        x: float [rows, n].
        y: float [rows].
        weights: float [rows].
        ridge: 0 or more.

    Returns:
        float [n], without the intercept b; of several that are as good without a ridge,
        the smallest.
    """
    share = weights / weights.sum()
    x, y = x - share @ x, y - share @ y
    squares = (x * weights[:, None]).T @ x + ridge * np.eye(x.shape[1])
    return np.linalg.lstsq(squares, (x * weights[:, None]).T @ y, rcond=None)[0]

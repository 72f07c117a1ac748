"""Shapley values: what each unit adds on average, whatever order they come in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from massivetext_keras.explain.gradients import Found
from massivetext_keras.explain.hiding import Game
from massivetext_keras.support.extras import need

MOST_EXACT = 12  # units: 4,096 rows
SAMPLES = 64  # permutations of units, where there are more


def shapley_values(
    outputs: Game, count: int, samples: int = SAMPLES, seed: int = 0
) -> Found:
    """Shapley values (Shapley, 1953), as SHAP has them (Lundberg & Lee, 2017).

    Of up to `MOST_EXACT` units all subsets are asked, and the values are exact. Of more
    they are means over random permutations, each with its reverse (Castro et al., 2009;
    Mitchell et al., 2022). Either way they sum to the output less the base.

    Args:
        outputs: of units that are seen.
        count: how many units there are.
        samples: permutations, reverses included.
        seed: of the permutations.

    >>> def game(seen):  # 1 for the first unit, 2 for the others together
    ...     return seen[:, 0] + 2.0 * (seen[:, 1] & seen[:, 2])
    >>> values, base, output = shapley_values(game, 3)
    >>> values.round(6).tolist(), base, output
    ([1.0, 1.0, 1.0], 0.0, 3.0)
    """
    if count > MOST_EXACT:
        return _sampled(outputs, count, samples, seed)
    subsets = np.arange(1 << count)
    seen = (subsets[:, None] >> np.arange(count)) & 1 == 1
    found = outputs(seen).astype(np.float64)
    size = seen.sum(axis=1)
    weights = np.array(
        [1.0 / (count * math.comb(count - 1, n)) for n in range(count)] or [0.0]
    )
    values = np.zeros(count)
    for unit in range(count):
        without = subsets[~seen[:, unit]]
        gains = found[without | 1 << unit] - found[without]
        values[unit] = np.sum(weights[size[without]] * gains)
    return values.astype(np.float32), float(found[0]), float(found[-1])


def _sampled(outputs: Game, count: int, samples: int, seed: int) -> Found:
    random = np.random.default_rng(seed)
    orders = [random.permutation(count) for _ in range(max(samples // 2, 1))]
    orders = [order for one in orders for order in (one, one[::-1])]
    # Row k of a permutation sees its first k units.
    seen = [np.argsort(order)[None] < np.arange(count + 1)[:, None] for order in orders]
    found = outputs(np.concatenate(seen)).astype(np.float64)
    values = np.zeros(count)
    for order, path in zip(orders, found.reshape(len(orders), -1), strict=True):
        values[order] += np.diff(path) / len(orders)
    return values.astype(np.float32), float(found[0]), float(found[count])


def partition_values(outputs: Game, count: int, evaluations: int = 500) -> Found:
    """Owen values over a tree of neighbours, by the package `shap`.

    Units side by side are one player, halves of the text at first, as far as so many
    questions go; fewer questions than Shapley values take, and other values where units
    far apart work together. Of two units they are the Shapley values.

    Args:
        outputs: of units that are seen.
        count: how many units there are.
        evaluations: rows to ask, at the most.

    Raises:
        ImportError: `shap` is not installed.
    """
    shap = need("shap", "explain")
    if count < 2:
        return shapley_values(outputs, count)
    tree = _balanced_tree(count)

    def shown(seen: np.ndarray, row: np.ndarray) -> tuple:
        return (np.asarray(seen, bool)[None],)

    masker: Any = shown
    masker.shape, masker.clustering = (1, count), tree
    explainer = shap.explainers.Partition(
        lambda rows: outputs(np.asarray(rows, bool)).astype(np.float64), masker
    )
    found = explainer(
        np.ones([1, count]), max_evals=max(evaluations, 2 * count), silent=True
    )
    values = found.values[0].astype(np.float32)
    base = float(np.ravel(found.base_values)[0])
    return values, base, float(outputs(np.ones([1, count], bool))[0])


def _balanced_tree(count: int) -> np.ndarray:
    """Neighbours joined in pairs again and again, as scipy's linkage, float [n - 1, 4].

    >>> _balanced_tree(3).tolist()
    [[0.0, 1.0, 1.0, 2.0], [3.0, 2.0, 2.0, 3.0]]
    """
    rows: list[list[float]] = []
    groups = [(i, 1) for i in range(count)]
    while len(groups) > 1:
        joined = []
        for at in range(0, len(groups) - 1, 2):
            (left, a), (right, b) = groups[at : at + 2]
            joined.append((count + len(rows), a + b))
            rows.append([left, right, 1.0, a + b])
        groups = joined + groups[2 * len(joined) :]
        for row in rows[-len(joined) :]:
            row[2] = len(groups)
    height = len(rows)
    for at, row in enumerate(rows):
        row[2] = float(at + 1) if height else 0.0
    return np.array(rows, float)

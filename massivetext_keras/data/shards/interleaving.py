"""Which corpus each row of a mixture is from: exact shares, evenly spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

_LONGEST = 1_000_000
_PARTS = 10_000


def shares(
    sizes: Sequence[int], weights: Sequence[float] | None = None
) -> tuple[int, ...]:
    """Whole numbers of rows that stand in the proportion of the weights.

    Args:
        sizes: rows of each corpus.
        weights: positive numbers (None: the sizes, in parts of 10,000 of their sum).

    Raises:
        ValueError: a weight is not positive, or the numbers would be too large.

    >>> shares([5, 5], [0.7, 0.3]), shares([300, 100])
    ((7, 3), (3, 1))
    """
    if weights is None:
        total = sum(sizes)
        counts = [max(1, round(_PARTS * size / total)) for size in sizes]
    else:
        if not all(math.isfinite(weight) and weight > 0 for weight in weights):
            raise ValueError(f"weights of corpora must be positive: {list(weights)}")
        parts = [Fraction(weight).limit_denominator(_LONGEST) for weight in weights]
        common = math.lcm(*(part.denominator for part in parts))
        counts = [int(part * common) for part in parts]
    divisor = math.gcd(*counts)
    least = tuple(count // divisor for count in counts)
    if not all(least) or sum(least) > _LONGEST:
        raise ValueError(
            f"the weights {list(weights or sizes)} have no small common denominator: "
            "round them to fewer digits"
        )
    return least


def interleaved(counts: Sequence[int]) -> np.ndarray:
    """An order of `sum(counts)` rows in which each corpus comes `counts[i]` times.

    Of its first n rows, and so of the first n of any number of repetitions, corpus i
    has more than n w - 1 and less than n w + 1, where w is its share. Row j of a corpus
    is due from place floor(j / w) until ceil((j + 1) / w), and the one that is due
    first comes first (Baruah et al., 1996).

    Args:
        counts: rows of each corpus, positive.

    Returns:
        int32 [sum(counts)], numbers of corpora.

    >>> interleaved([3, 1]).tolist()
    [0, 0, 0, 1]
    """
    total, done, order = sum(counts), [0] * len(counts), []
    numbers = range(len(counts))
    for place in range(1, total + 1):
        due = [i for i in numbers if done[i] * total < place * counts[i]]
        first = min(due, key=lambda i: -(-(done[i] + 1) * total // counts[i]))
        done[first] += 1
        order.append(first)
    return np.array(order, np.int32)


def earlier(order: np.ndarray) -> np.ndarray:
    """How often the value at each place came before it.

    >>> earlier(np.array([0, 0, 1, 0])).tolist()
    [0, 1, 0, 2]
    """
    counts = np.zeros(len(order), np.int64)
    for value in np.unique(order):
        places = order == value
        counts[places] = np.arange(places.sum())
    return counts

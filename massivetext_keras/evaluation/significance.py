"""Whether one run is better than another, or only luckier with these examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.support.arguments import Positive

# predictions, references -> the measure of the whole; or sums of statistics -> it
Measure = Callable[..., float]
LOWER_IS_BETTER = {
    "loss",
    "perplexity",
    "bits_per_byte",
    "mean_squared_error",
    "mean_absolute_error",
    "expected_calibration_error",
}
"""Measures that are better when they are lower; all others when they are higher."""
_ROUNDING = 1e-9  # of sums in another order


class Interval(NamedTuple):
    """A measure and where it may lie with other examples of the same kind."""

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """Two runs on the same examples.

    Attributes:
        first: measure of the first run.
        second: of the second.
        difference: the second's less the first's.
        p_value: how often runs that are equally good differ at least as much, in
            either direction.
        interval: lowest and highest difference with the confidence asked for; None
            from a test that gives none.
        wins: share of the resamples in which the second's measure is higher, a tie
            being half; None as before.
        samples: how many were made.
    """

    first: float
    second: float
    difference: float
    p_value: float
    interval: tuple[float, float] | None
    wins: float | None
    samples: int


def paired_bootstrap(
    first: Sequence[Any],
    second: Sequence[Any],
    references: Sequence[Any] | None = None,
    measure: Measure | None = None,
    samples: Positive = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares two runs on examples drawn again and again (Koehn, 2004).

    Both are measured on the same draws. `1 - wins` is Koehn's p-value, for a second run
    that is better; the `p_value` here is of both directions, from the differences less
    their mean (Riezler & Maxwell, 2005).

    Args:
        first: scores of the first run by example; or, with `measure`, its predictions,
            or rows of statistics.
        second: of the second run, in the same order.
        references: what `measure` compares predictions with.
        measure: predictions, references -> a number, for what is no mean over
            examples, such as BLEU or F1 (None: the mean of the scores). Without
            references: sums of the statistics [k] -> a number, which is fast.
        samples: draws.
        confidence: of the interval.
        seed: of the draws.

    Raises:
        ValueError: there are no examples, or not as many of each; a score is no finite
            number; or an argument is out of range.

    >>> better = paired_bootstrap([0, 0, 1, 0, 1, 0], [1, 1, 1, 0, 1, 1])
    >>> round(better.difference, 3), better.wins > 0.95
    (0.5, True)
    """
    _check_samples(samples, confidence)
    score, own, other = _scorer(first, second, references, measure)
    value, against = score(own), score(other)
    difference = against - value
    gaps = np.array(
        [score(other[rows]) - score(rows) for rows in _draws(len(own), samples, seed)]
    )
    beyond = _at_least(np.abs(gaps - gaps.mean()), abs(difference))
    return Comparison(
        value,
        against,
        difference,
        (int(beyond.sum()) + 1) / (samples + 1),
        _bounds(gaps, confidence),
        float(np.mean(gaps > 0) + np.mean(gaps == 0) / 2),
        samples,
    )


def approximate_randomization(
    first: Sequence[Any],
    second: Sequence[Any],
    references: Sequence[Any] | None = None,
    measure: Measure | None = None,
    samples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compares two runs by exchanging their answers to some of the examples (Noreen,
    1989; for texts Riezler & Maxwell, 2005).

    If the runs are equally good, which of them an answer is from changes nothing. Where
    there are no more ways to exchange than `samples`, all of them are tried and the
    p-value is exact.

    Args:
        first, second, references, measure, seed: see `paired_bootstrap`.
        samples: exchanges.

    Raises:
        ValueError: as `paired_bootstrap`.

    >>> approximate_randomization([1, 2, 3, 4], [2, 3, 4, 5]).p_value  # 2 of 16 ways
    0.125
    """
    _check_samples(samples)
    score, own, other = _scorer(first, second, references, measure)
    value, against = score(own), score(other)
    n = len(own)
    exact = 2 ** min(n, 64) <= samples
    swaps = _all_swaps(n) if exact else _some_swaps(n, samples, seed)
    gaps = np.array(
        [
            score(np.where(swap, own, other)) - score(np.where(swap, other, own))
            for swap in swaps
        ]
    )
    count = int(_at_least(np.abs(gaps), abs(against - value)).sum())
    p = count / len(gaps) if exact else (count + 1) / (samples + 1)
    return Comparison(value, against, against - value, p, None, None, len(gaps))


def bootstrap_interval(
    scores: Sequence[Any],
    references: Sequence[Any] | None = None,
    measure: Measure | None = None,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The measure of one run, and its percentile interval (Efron, 1979).

    Args:
        scores: by example; or predictions, with `measure`.
        references, measure, samples, confidence, seed: see `paired_bootstrap`.

    Raises:
        ValueError: as `paired_bootstrap`.

    >>> bootstrap_interval([1, 1, 1])
    Interval(value=1.0, low=1.0, high=1.0)
    """
    _check_samples(samples, confidence)
    score, own, _ = _scorer(scores, scores, references, measure)
    values = np.array([score(rows) for rows in _draws(len(own), samples, seed)])
    return Interval(score(own), *_bounds(values, confidence))


def bootstrap_intervals(
    predictions: Sequence[Any],
    references: Sequence[Any],
    measures: Callable[[list, list], Mapping[str, float]],
    samples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """`bootstrap_interval` of several measures that are made together.

    Args:
        predictions: by example.
        references: what they are compared with.
        measures: predictions, references -> numbers by name.
        samples, confidence, seed: see `paired_bootstrap`.

    Raises:
        ValueError: as `paired_bootstrap`.

    >>> def measures(predictions, references):
    ...     return {"longest": max(map(len, predictions))}
    >>> bootstrap_intervals(["a", "b"], ["", ""], measures)["longest"]
    Interval(value=1.0, low=1.0, high=1.0)
    """
    found: list[dict[str, float]] = []

    def measure(some: list, others: list) -> float:
        found.append(dict(measures(some, others)))
        return 0.0

    _check_samples(samples, confidence)
    score, own, _ = _scorer(predictions, predictions, references, measure)
    for rows in (own, *_draws(len(own), samples, seed)):
        score(rows)
    whole, *drawn = found
    columns = {name: [row[name] for row in drawn if name in row] for name in whole}
    return {
        name: Interval(float(value), *_bounds(np.array(columns[name]), confidence))
        for name, value in whole.items()
        if columns[name]
    }


def _scorer(
    first: Sequence[Any],
    second: Sequence[Any],
    references: Sequence[Any] | None,
    measure: Measure | None,
) -> tuple[Callable[[np.ndarray], float], np.ndarray, np.ndarray]:
    """The measure of any answers of both runs, by their places, those of the second
    behind those of the first; and the places of each run's own."""
    n = len(first)
    if not n or len(second) != n:
        raise ValueError(
            f"{n} and {len(second)} examples: both runs must have as many, and some"
        )
    own = np.arange(n)
    if measure is None:
        if references is not None:
            raise ValueError("references without a measure that compares with them")
        scores = np.array([*first, *second], np.float64)
        if not np.isfinite(scores).all():
            place = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise ValueError(f"score {place % n} is {scores[place]}, no finite number")
        return lambda places: float(scores[places].mean()), own, own + n
    if references is None:
        rows = np.array([*first, *second], np.float64)
        return lambda places: float(measure(rows[places].sum(axis=0))), own, own + n
    if len(references) != n:
        raise ValueError(f"{n} predictions and {len(references)} references")
    answers = [*first, *second]

    def score(places: np.ndarray) -> float:
        some = places.tolist()
        chosen = [answers[i] for i in some]
        return float(measure(chosen, [references[i % n] for i in some]))

    return score, own, own + n


def _draws(n: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.integers(n, size=n) for _ in range(samples))


def _some_swaps(n: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.integers(2, size=n).astype(bool) for _ in range(samples))


def _all_swaps(n: int) -> Iterator[np.ndarray]:
    return map(np.array, itertools.product([False, True], repeat=n))


def _at_least(values: np.ndarray, bound: float) -> np.ndarray:
    return values >= bound * (1.0 - _ROUNDING)


def _bounds(values: np.ndarray, confidence: float) -> tuple[float, float]:
    outside = (1.0 - confidence) / 2
    low, high = np.quantile(values, [outside, 1.0 - outside])
    return float(low), float(high)


def _check_samples(samples: int, confidence: float = 0.95) -> None:
    if samples < 1:
        raise ValueError(f"samples must be positive, got {samples}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")

"""Measures from all examples, each of them held out once."""

from __future__ import annotations

import logging
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.support.extras import need

logger = logging.getLogger(__name__)

Key = Callable[[Any], Hashable]


class Fold(NamedTuple):
    """Places of the examples to learn from and of those held out, in their order."""

    train: tuple[int, ...]
    test: tuple[int, ...]


class CrossValidation(NamedTuple):
    """What a run measured in each fold.

    Attributes:
        folds: measures by name, for each fold.
        sizes: examples held out in each fold.
    """

    folds: tuple[dict[str, float], ...]
    sizes: tuple[int, ...]

    def mean(self) -> dict[str, float]:
        """Of each measure, over the folds that have it."""
        return {name: statistics.fmean(own) for name, own in self._columns().items()}

    def spread(self) -> dict[str, float]:
        """Standard deviation of each measure between folds (n - 1); 0 of one fold."""
        return {
            name: statistics.stdev(own) if len(own) > 1 else 0.0
            for name, own in self._columns().items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "mean": self.mean(),
            "spread": self.spread(),
            "folds": [
                {"examples": size, **fold}
                for size, fold in zip(self.sizes, self.folds, strict=True)
            ],
        }

    def _columns(self) -> dict[str, list[float]]:
        names = dict.fromkeys(name for fold in self.folds for name in fold)
        return {n: [fold[n] for fold in self.folds if n in fold] for n in names}


def cross_validate(
    run: Callable[[list, list], Mapping[str, float]],
    examples: Sequence[Any],
    folds: int = 5,
    label: Key | None = None,
    group: Key | None = lambda example: example[0],
    seed: int = 0,
) -> CrossValidation:
    """Runs once for each fold, which is held out then (Stone, 1974; Kohavi, 1995).

    Args:
        run: examples to learn from, examples held out -> measures by name.
        examples: of a task.
        folds, label, group, seed: see `split_folds`.

    Raises:
        ValueError: as `split_folds`.

    >>> def run(train, test):
    ...     return {"share": len(train) / (len(train) + len(test))}
    >>> cross_validate(run, ["a", "b", "c", "d"], folds=2).mean()
    {'share': 0.5}
    """
    examples = list(examples)
    measured, sizes = [], []
    for train, test in split_folds(examples, folds, label, group, seed):
        sides = ([examples[i] for i in side] for side in (train, test))
        measured.append({name: float(x) for name, x in run(*sides).items()})
        sizes.append(len(test))
    return CrossValidation(tuple(measured), tuple(sizes))


def split_folds(
    examples: Sequence[Any],
    folds: int = 5,
    label: Key | None = None,
    group: Key | None = lambda example: example[0],
    seed: int = 0,
) -> list[Fold]:
    """Folds of about the same size, by scikit-learn.

    Examples of one group are all held out or none of them. With a label, every fold has
    about the same share of each class (a group of several counts as its rarest), and a
    class is never held out as a whole, so that it has been learnt wherever it is
    tested: the only group of a class is always learnt from and never held out. How many
    such examples there are is logged, as are classes with fewer groups than folds,
    which some folds cannot test.

    Args:
        examples: of a task.
        folds: at least two.
        label: example -> its class (None: folds of equal size, whatever the classes).
        group: example -> what it has in common with those that it must not be tested
            against; the default is its text, the first of its fields (None: each is a
            group of its own).
        seed: of the choice.

    Raises:
        ValueError: there are fewer than two folds, fewer groups than folds, or fewer
            of every class.
        ImportError: scikit-learn is not installed.

    >>> texts = ["a", "a", "b", "c"]
    >>> [fold.test for fold in split_folds(texts, folds=3)]
    [(0, 1), (3,), (2,)]
    """
    if folds < 2:
        raise ValueError(f"cross-validation needs two folds or more, got {folds}")
    keys = range(len(examples)) if group is None else map(group, examples)
    numbers: dict[Hashable, int] = {}
    groups = np.array([numbers.setdefault(key, len(numbers)) for key in keys], int)
    if len(numbers) < folds:
        raise ValueError(
            f"{len(examples)} examples of {len(numbers)} groups, such as different "
            f"texts, are too few for {folds} folds"
        )
    if label is None:
        sides = _by_size(groups, folds, seed)
    else:
        sides = _by_label(groups, [label(example) for example in examples], folds, seed)
    everything = np.arange(len(examples))
    return [
        Fold(tuple(np.setdiff1d(everything, test).tolist()), tuple(test.tolist()))
        for test in sides
    ]


def _by_size(groups: np.ndarray, folds: int, seed: int) -> Iterator[np.ndarray]:
    """Places held out in each fold, as many as the groups allow."""
    selection = need("sklearn.model_selection", "evaluation")
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(groups.max() + 1)[groups]  # ties are broken by number
    split = selection.GroupKFold(folds).split(groups, groups=shuffled)
    return (test for _, test in split)


def _by_label(
    groups: np.ndarray, labels: list[Hashable], folds: int, seed: int
) -> Iterator[np.ndarray]:
    """Places held out in each fold, with the same share of the groups of each class."""
    selection = need("sklearn.model_selection", "evaluation")
    classes = _rarest(groups, labels)
    sizes = Counter(classes)
    alone = np.array([sizes[name] == 1 for name in classes])
    few = {name: size for name, size in sizes.items() if 1 < size < folds}
    if alone.any():
        logger.warning(
            "%d examples are never held out: they are all that there is of %d classes "
            "(%s)",
            alone[groups].sum(),
            alone.sum(),
            ", ".join(str(classes[i]) for i in np.flatnonzero(alone)[:5]),
        )
    if few:
        logger.warning(
            "%d classes have fewer groups than the %d folds: some folds test none of "
            "them (%s)",
            len(few),
            folds,
            ", ".join(f"{name}: {size}" for name, size in list(few.items())[:5]),
        )
    if max(sizes.values()) < folds:
        raise ValueError(
            f"no class has as many groups, such as different texts, as the {folds} "
            f"folds: the largest has {max(sizes.values())}"
        )
    free = np.flatnonzero(~alone)
    numbers = {name: number for number, name in enumerate(sizes)}
    columns = [numbers[classes[i]] for i in free]
    held_out = np.full(len(classes), -1)
    split = selection.StratifiedKFold(folds, shuffle=True, random_state=seed).split
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said above, with names
        for fold, (_, test) in enumerate(split(columns, columns)):
            held_out[free[test]] = fold
    return (np.flatnonzero(held_out[groups] == fold) for fold in range(folds))


def _rarest(groups: np.ndarray, labels: list[Hashable]) -> list[Hashable]:
    """The class of each group: of several, the one with the fewest examples."""
    sizes = Counter(labels)
    found: list[Any] = [None] * (groups.max() + 1)
    for number, name in sorted(
        zip(groups.tolist(), labels, strict=True), key=lambda pair: -sizes[pair[1]]
    ):
        found[number] = name
    return found

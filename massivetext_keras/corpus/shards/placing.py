"""Which side and which shard a document goes to: by its contents alone.

The id of a document is a hash, so its first 16 bits spread documents evenly over bins.
Sizes of bins, added up over the corpus, are all that is needed to cut it into shards of
equal size in the order of ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from massivetext_keras.corpus.text.hashing import mixed

SIDES = ("train", "validation", "test")
BINS = 1 << 16
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, so that seeds differ
# Gopher's and Chinchilla's shares of MassiveText's subsets: Rae et al. (2021), table 2;
# Hoffmann et al. (2022), appendix A.
MIXTURES = {
    "massivetext": {
        "massiveweb": 0.48,
        "books": 0.27,
        "c4": 0.10,
        "news": 0.10,
        "github": 0.03,
        "wikipedia": 0.02,
    },
    "chinchilla": {
        "massiveweb": 0.45,
        "books": 0.30,
        "c4": 0.10,
        "news": 0.10,
        "github": 0.04,
        "wikipedia": 0.01,
    },
}


@dataclasses.dataclass(frozen=True)
class Fractions:
    """How much of the documents is held out, and how much of a subset is taken.

    Args:
        validation, test: shares of the documents.
        kept: subset -> share of its documents that the mixture takes; missing ones are
            taken whole.
        seed: another one, other documents.

    Raises:
        ValueError: shares outside 0 to 1, or that leave nothing to train on.
    """

    validation: float = 0.0
    test: float = 0.0
    kept: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ValueError(
                "validation_fraction and test_fraction must be at least 0 and together "
                f"below 1, not {self.validation} and {self.test}"
            )

    def sides(self, ids: np.ndarray) -> np.ndarray:
        """Index into `SIDES` of each document, int8 [documents].

        It depends on a document's id alone, so it stays when others are added.
        """
        place = uniform(ids, self.seed)
        sides = np.zeros(len(ids), np.int8)
        sides[place < self.validation + self.test] = 1
        sides[place < self.test] = 2
        return sides

    def taken(self, ids: np.ndarray, subsets: Sequence[str]) -> np.ndarray:
        """Whether the mixture takes each document, bool [documents]."""
        shares = np.array([self.kept.get(subset, 1.0) for subset in subsets])
        return uniform(ids, ~self.seed) < shares


def uniform(ids: np.ndarray, seed: int) -> np.ndarray:
    """Where documents lie between 0 and 1, by id and seed.

    Args:
        ids: uint64 [documents, 2], as `rows.id_array` gives them.
        seed: any integer.

    Returns:
        float64 [documents].

    >>> uniform(np.array([[1, 2]], np.uint64), seed=0).round(4).tolist()
    [0.8587]
    """
    x = ids[:, 1] ^ np.uint64(seed * _GOLDEN % 2**64)
    return (mixed(x) >> np.uint64(11)) / 2.0**53


def bins(ids: np.ndarray) -> np.ndarray:
    """The bin of each document, int64 [documents]; in the order of ids."""
    return (ids[:, 0] >> np.uint64(48)).astype(np.int64)


def check_weights(weights: Mapping[str, float], subsets: Collection[str]) -> None:
    """Refuses weights that do not tell the shares of some subsets.

    Raises:
        ValueError: a subset has no weight, or a weight is not positive.
    """
    for subset in sorted(subsets):
        if not 0 < weights.get(subset, 0) < float("inf"):
            known = ", ".join(weights)
            raise ValueError(f"no positive weight for subset {subset!r}: {known}")


def mixture(weights: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """The largest shares of subsets whose bytes stand in the proportion of weights.

    Args:
        weights: subset -> weight, any positive scale.
        sizes: subset -> bytes that there are.

    Returns:
        subset -> share of its documents to take; 1 for the one that runs out first.

    Raises:
        ValueError: a subset has no weight, or a weight is not positive.

    >>> mixture({"web": 3, "books": 1}, {"web": 600, "books": 400})
    {'web': 1.0, 'books': 0.5}
    """
    check_weights(weights, sizes)
    full = min(size / weights[subset] for subset, size in sizes.items() if size)
    return {
        subset: min(weights[subset] * full / size, 1.0) if size else 1.0
        for subset, size in sizes.items()
    }


class Shard(NamedTuple):
    """A file of a corpus: the `index`-th of `count` of a subset's side."""

    subset: str
    side: str
    index: int  # type: ignore[assignment]  # hides that of tuple
    count: int  # type: ignore[assignment]  # hides that of tuple

    @property
    def name(self) -> str:
        """Within the folder of the corpus, without a suffix.

        >>> Shard("web", "train", 0, 2).name
        'web/train-00000-of-00002'
        """
        folder = f"{self.subset}/" if self.subset else ""
        return f"{folder}{self.side}-{self.index:05}-of-{self.count:05}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which piece of which shard each bin of each subset and side goes to.

    A shard is written in pieces that fit in memory.

    Attributes:
        pieces: the shard of each piece, by its number.
        numbers: (subset, side) -> number of the piece of each bin, int32 [BINS].
    """

    pieces: tuple[Shard, ...]
    numbers: Mapping[tuple[str, str], np.ndarray]

    @classmethod
    def of(
        cls,
        sizes: Mapping[tuple[str, str], np.ndarray],
        shard_bytes: int,
        piece_bytes: int = 8 << 20,
    ) -> Plan:
        """Cuts each subset's sides into shards of equal size, and these into pieces.

        Args:
            sizes: (subset, side) -> bytes in each bin, int64 [BINS].
            shard_bytes: about the bytes of text in a shard.
            piece_bytes: at most about the bytes of text in a piece.

        >>> sizes = np.zeros(BINS, np.int64)
        >>> sizes[[5, 6, 7, 8]] = 10
        >>> plan = Plan.of({("web", "train"): sizes}, shard_bytes=20)
        >>> [shard.name for shard in plan.pieces]
        ['web/train-00000-of-00002', 'web/train-00001-of-00002']
        >>> plan.numbers["web", "train"][[5, 6, 7, 8]].tolist()
        [0, 0, 1, 1]
        """
        pieces: list[Shard] = []
        numbers = {}
        for (subset, side), in_bins in sorted(sizes.items()):
            total = int(in_bins.sum())
            if not total:
                continue
            count = max(round(total / shard_bytes), 1)
            each = -(-total // (count * piece_bytes))  # pieces of a shard
            middles = np.cumsum(in_bins) - in_bins / 2
            index = (middles * (count * each / total)).astype(np.int32)
            index = np.minimum(index, count * each - 1)
            numbers[subset, side] = index + np.int32(len(pieces))
            for shard in range(count):
                pieces += [Shard(subset, side, shard, count)] * each
        return cls(tuple(pieces), numbers)

"""Interpolated Kneser-Ney n-gram models: the baseline a neural model has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from massivetext_keras.evaluation import bits_per_byte


class _Table(NamedTuple):
    """One order: p(w | h) = mass[h w] + backoff[h] * p(w | shorter h)."""

    grams: np.ndarray  # int64 [types], sorted packed n-grams
    mass: np.ndarray  # float64 [types], (count - discount) / total of the context
    contexts: np.ndarray  # int64 [contexts], sorted packed contexts
    backoff: np.ndarray  # float64 [contexts], the discounted share of the context


class KneserNey:
    """An interpolated Kneser-Ney model over token ids, in NumPy alone.

    The highest order uses counts, every lower one the number of distinct tokens seen
    before the n-gram; each is discounted and interpolated with the next lower order,
    the last with the uniform 1 / V, so that every token has mass. Documents begin with
    order - 1 begin-of-text marks, which are contexts and never predicted. Sources:
    Kneser & Ney (1995), "Improved backing-off for m-gram language modeling"; Chen &
    Goodman (1999), "An empirical study of smoothing techniques for language modeling".

    Args:
        order: length of the n-grams; 1 is a unigram, 3 a trigram.
        vocabulary_size: V; ids are 0 .. V - 1.
        modified: three discounts per order, for counts 1, 2 and 3 or more, in place
            of the one D = n1 / (n1 + 2 n2); an order with too few counts to estimate
            three keeps the one.

    Raises:
        ValueError: order or vocabulary_size below 1, or (V + 1) ** order beyond int64.

    Example:
        >>> model = KneserNey(order=2, vocabulary_size=3).fit([0, 1, 0, 1, 0, 2])
        >>> np.exp(model.log_probs([0, 1, 0, 2])).round(4).tolist()
        [0.8333, 0.6111, 0.9167, 0.2778]
    """

    def __init__(self, order: int = 3, *, vocabulary_size: int, modified: bool = False):
        if order < 1 or vocabulary_size < 1:
            raise ValueError(
                "order and vocabulary_size must be at least 1, "
                f"not {order} and {vocabulary_size}"
            )
        if (vocabulary_size + 1) ** order > np.iinfo(np.int64).max:
            raise ValueError(
                f"{order}-grams over {vocabulary_size} tokens do not fit into int64 "
                "keys; take a lower order"
            )
        self.order = order
        self.vocabulary_size = vocabulary_size
        self.modified = modified
        self._base = vocabulary_size + 1  # the id V is the begin-of-text mark
        self._tables: list[_Table] = []

    def fit(self, ids: np.ndarray | Iterable) -> KneserNey:
        """Count the n-grams of a text; a second call starts anew.

        Args:
            ids: integers [tokens], one document; or an iterable of documents.

        Returns:
            The model itself.

        Raises:
            ValueError: no tokens, ids that are not integers or outside 0 .. V - 1.
        """
        grams, counts = np.unique(self._pack(ids)[-1], return_counts=True)
        if not grams.size:
            raise ValueError("there are no tokens to fit")
        tables = [self._table(grams, counts)]
        for length in range(self.order - 1, 0, -1):
            # Each distinct longer n-gram is one distinct token before its suffix.
            grams, counts = np.unique(grams % self._base**length, return_counts=True)
            tables.append(self._table(grams, counts))
        self._tables = tables[::-1]
        return self

    def log_probs(self, ids: np.ndarray | Iterable) -> np.ndarray:
        """Score every token given the order - 1 tokens before it in its document.

        Args:
            ids: integers [tokens], one document; or an iterable of documents.

        Returns:
            float64 [tokens], natural log p(token | context) in nats, the documents
            one after another.

        Raises:
            RuntimeError: the model was not fitted.
            ValueError: ids that are not integers or outside 0 .. V - 1.
        """
        if not self._tables:
            raise RuntimeError("fit the model before scoring")
        levels = self._pack(ids)
        probs = np.full(levels[0].shape, 1 / self.vocabulary_size)
        for keys, table in zip(levels, self._tables, strict=True):
            order = np.argsort(keys)  # sorted, they are found three times as fast
            keys = keys[order]
            backoff = _find(table.contexts, table.backoff, keys // self._base, 1.0)
            mass = _find(table.grams, table.mass, keys, 0.0)
            probs[order] = mass + backoff * probs[order]
        return np.log(probs)

    def arrays(self) -> dict[str, np.ndarray]:
        """What was counted, by name; `from_arrays` takes it."""
        return {
            f"{name}_{length}": array
            for length, table in enumerate(self._tables, start=1)
            for name, array in table._asdict().items()
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], *, order: int, vocabulary_size: int
    ) -> KneserNey:
        """A fitted model, of what `arrays` gave.

        >>> model = KneserNey(order=2, vocabulary_size=3).fit([0, 1, 0])
        >>> again = KneserNey.from_arrays(model.arrays(), order=2, vocabulary_size=3)
        >>> bool(np.all(again.log_probs([0, 2]) == model.log_probs([0, 2])))
        True
        """
        model = cls(order, vocabulary_size=vocabulary_size)
        model._tables = [
            _Table(*(arrays[f"{name}_{length}"] for name in _Table._fields))
            for length in range(1, order + 1)
        ]
        return model

    def _pack(self, ids: np.ndarray | Iterable) -> list[np.ndarray]:
        """Keys of the n-grams that end at each token, int64 [tokens], per order."""
        mark = np.full(self.order - 1, self.vocabulary_size)
        pieces = []
        for document in _documents(ids):
            if document.size and (
                document.min() < 0 or document.max() >= self.vocabulary_size
            ):
                raise ValueError(
                    f"ids must lie in 0 .. {self.vocabulary_size - 1}, but range "
                    f"from {document.min()} to {document.max()}"
                )
            pieces += [mark, document.astype(np.int64)]
        stream = np.concatenate(pieces)
        ends = np.flatnonzero(stream < self.vocabulary_size)
        keys = [stream[ends]]
        for back in range(1, self.order):
            keys.append(stream[ends - back] * self._base**back + keys[-1])
        return keys

    def _table(self, grams: np.ndarray, counts: np.ndarray) -> _Table:
        """Discount the counts of one order and normalise them per context."""
        lost = _discounts(np.bincount(np.minimum(counts, 5))[1:5], self.modified)
        lost = lost[np.minimum(counts, 3)]
        contexts, starts, types = np.unique(
            grams // self._base, return_index=True, return_counts=True
        )
        totals = np.add.reduceat(counts, starts)
        return _Table(
            grams=grams,
            mass=(counts - lost) / np.repeat(totals, types),
            contexts=contexts,
            backoff=np.add.reduceat(lost, starts) / totals,
        )


def ngram_baselines(
    train: np.ndarray,
    valid: np.ndarray,
    token_bytes: Sequence[int],
    modified: bool = False,
) -> dict[str, dict[str, float]]:
    """What n-gram models reach, in the words of a task's `evaluate`.

    Args:
        train: integers [tokens], the text to count.
        valid: integers [tokens], the text to score; as for a task, its first token is
            given.
        token_bytes: UTF-8 bytes behind each id, as `Tokenizer.token_bytes` gives them.
        modified: see `KneserNey`; mostly the stronger one.

    Returns:
        "unigram", "bigram" and "trigram" -> loss (nats per token) and bits_per_byte.

    Example:
        >>> ids = np.tile([0, 1], 50)
        >>> results = ngram_baselines(ids, ids, token_bytes=[1, 1])
        >>> {name: round(values["loss"], 2) for name, values in results.items()}
        {'unigram': 0.69, 'bigram': 0.01, 'trigram': 0.01}
    """
    size, results = np.asarray(token_bytes)[valid[1:]].sum(), {}
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        model = KneserNey(order, vocabulary_size=len(token_bytes), modified=modified)
        model.fit(train)
        nats = -model.log_probs(valid)[1:].sum()
        loss, bits = nats / (len(valid) - 1), bits_per_byte(nats, size)
        results[name] = {"loss": float(loss), "bits_per_byte": float(bits)}
    return results


def _documents(ids: np.ndarray | Iterable) -> Iterable[np.ndarray]:
    """The documents of one array, one list of integers, or an iterable of either."""
    ids = ids if isinstance(ids, np.ndarray) else list(ids)
    single = len(ids) == 0 or np.ndim(ids[0]) == 0
    for document in [ids] if single else ids:
        document = np.asarray(document)
        if document.size and (document.ndim != 1 or document.dtype.kind not in "iu"):
            raise ValueError(
                "a document must be integers [tokens], "
                f"not {document.dtype} {list(document.shape)}"
            )
        yield document


def modified_discounts(of_counts: Sequence[int]) -> np.ndarray | None:
    """What a count of 0, 1, 2, and 3 or more loses (Chen & Goodman, 1999).

    Args:
        of_counts: how many n-grams have a count of 1, 2, 3 and 4.

    Returns:
        float64 [4]; None where there are too few counts to tell.

    >>> modified_discounts([5, 2, 1, 0]).round(3).tolist()
    [0.0, 0.556, 1.167, 3.0]
    """
    n1, n2, n3, n4 = (*map(int, of_counts), 0, 0, 0, 0)[:4]
    if not (n1 and n2 and n3):
        return None
    single = n1 / (n1 + 2 * n2)
    three = np.array([1, 2, 3]) - single * (
        np.array([2, 3, 4]) * [n2 / n1, n3 / n2, n4 / n3]
    )
    return np.array([0.0, *three]) if np.all(three > 0) else None


def _discounts(of_counts: Sequence[int], modified: bool) -> np.ndarray:
    """What a count of 0, 1, 2, and 3 or more loses, float64 [4]."""
    three = modified_discounts(of_counts) if modified else None
    if three is not None:
        return three
    n1, n2 = (*map(int, of_counts), 0, 0)[:2]
    # Without a count of 1 there is no estimate; 0.5 keeps mass for the unseen.
    single = n1 / (n1 + 2 * n2) if n1 else 0.5
    return np.array([0.0, single, single, single])


def _find(
    keys: np.ndarray, values: np.ndarray, queries: np.ndarray, default: float
) -> np.ndarray:
    """The values of the queries among sorted keys, the default where absent."""
    at = np.minimum(np.searchsorted(keys, queries), keys.size - 1)
    return np.where(keys[at] == queries, values[at], default)

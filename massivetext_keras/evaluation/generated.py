"""Generated texts beside a whole set of texts: how good, and how varied they are."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

from massivetext_keras.evaluation.words import language_of
from massivetext_keras.evaluation.writing import TOKENIZATIONS
from massivetext_keras.support.extras import need

_LITTLE = 0.1  # matches where there are none, method 1 of Chen & Cherry, 2014

Words = Sequence[str]


def bleu_against(
    texts: Sequence[str],
    references: Sequence[str],
    order: int = 4,
    tokenization: str | None = None,
) -> float:
    """BLEU of each text with all references as its own, the mean, from 0 to 100: how
    good generated texts are (Yu et al., 2017; Zhu et al., 2018).

    Args:
        texts: what was generated.
        references: texts by people, held out.
        order: of the longest n-grams.
        tokenization: of sacrebleu, see `bleu`.

    Raises:
        ValueError: there are no texts, or no references; or the order is not positive.

    >>> bleu_against(["a b c d", "e f g h"], ["a b c d", "i j"])
    50.0
    """
    if not texts or not references:
        raise ValueError(
            f"{len(texts)} texts and {len(references)} references: there must be some"
        )
    by_people, made = _split(references, texts, tokenization)
    known = _References(by_people, order)
    return 100.0 * sum(map(known.bleu, made)) / len(made)


def self_bleu(
    texts: Sequence[str], order: int = 4, tokenization: str | None = None
) -> float:
    """BLEU of each text with all others as references, the mean, from 0 to 100: the
    less, the more varied they are (Zhu et al., 2018).

    Args:
        texts: what was generated.
        order: of the longest n-grams.
        tokenization: of sacrebleu, see `bleu`.

    Raises:
        ValueError: there are less than two texts, or the order is not positive.

    >>> self_bleu(["a b c d", "a b c d"]), self_bleu(["a b c d", "e f g h"])
    (100.0, 0.0)
    """
    if len(texts) < 2:
        raise ValueError(f"{len(texts)} texts have no others: give at least 2")
    made, _ = _split(texts, [], tokenization)
    known = _References(made, order)
    scores = [known.bleu(text, but=i) for i, text in enumerate(made)]
    return 100.0 * sum(scores) / len(scores)


class _References:
    """How often n-grams occur in one text at the most, and in any other one."""

    def __init__(self, texts: Sequence[Words], order: int):
        if order < 1:
            raise ValueError(f"order must be positive, got {order}")
        self.order = order
        self.lengths = collections.Counter(map(len, texts))
        # n-gram -> most, in which text, most in any of the others
        self.most: dict[tuple, tuple[int, int, int]] = {}
        for i, text in enumerate(texts):
            for gram, count in self._counts(text).items():
                first, holder, second = self.most.get(gram, (0, -1, 0))
                if count > first:
                    self.most[gram] = count, i, first
                else:
                    self.most[gram] = first, holder, max(second, count)

    def _counts(self, text: Words) -> collections.Counter:
        return collections.Counter(
            tuple(text[i : i + n])
            for n in range(1, self.order + 1)
            for i in range(len(text) - n + 1)
        )

    def bleu(self, text: Words, but: int | None = None) -> float:
        """Of a text, from 0 to 1; `but` is the number of a reference that is none."""
        matches = [0] * self.order
        for gram, count in self._counts(text).items():
            first, holder, second = self.most.get(gram, (0, -1, 0))
            matches[len(gram) - 1] += min(count, second if holder == but else first)
        if not matches[0]:
            return 0.0
        logs = 0.0
        for n, found in enumerate(matches, start=1):
            logs += math.log((found or _LITTLE) / max(len(text) - n + 1, 1))
        return self._brevity(len(text), but) * math.exp(logs / self.order)

    def _brevity(self, length: int, but: int | None) -> float:
        """The penalty of a text shorter than the reference next to it in length."""
        own = None if but is None else length
        near = (n for n, count in self.lengths.items() if count > (n == own))
        closest = min(near, key=lambda x: (abs(x - length), x))
        return 1.0 if length >= closest else math.exp(1.0 - closest / length)


def _split(
    texts: Sequence[str], others: Sequence[str], tokenization: str | None
) -> tuple[list[Words], list[Words]]:
    """Words of texts, as sacrebleu counts them."""
    bleu = need("sacrebleu.metrics", extra="evaluation").BLEU
    if tokenization is None:
        tokenization = TOKENIZATIONS.get(language_of(texts), "13a")
    tokenize = bleu(tokenize=tokenization).tokenizer

    def words(some: Sequence[str]) -> list[Words]:
        return [tokenize(text).split() for text in some]

    return words(texts), words(others)

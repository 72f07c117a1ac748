"""Scores of translations, as sacrebleu computes them."""

from __future__ import annotations

from collections.abc import Sequence


def bleu(
    texts: Sequence[str], references: Sequence[str], tokenization: str = "13a"
) -> float:
    """BLEU of a corpus (Papineni et al., 2002; Post, 2018), from 0 to 100.

    Args:
        texts: translations.
        references: what they should be.
        tokenization: of sacrebleu; "zh" for Chinese, "char" for scripts without spaces.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> bleu(["a small cat sat down"], ["a small cat sat down"])
    100.0
    """
    import sacrebleu

    _check(texts, references)
    score = sacrebleu.corpus_bleu(
        list(texts), [list(references)], tokenize=tokenization
    ).score
    return round(score, 10)


def chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """chrF2 of a corpus (Popović, 2015): F-score of character n-grams, from 0 to 100.

    Args:
        texts: translations.
        references: what they should be.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> chrf(["a cat"], ["a cat"])
    100.0
    """
    import sacrebleu

    _check(texts, references)
    return round(sacrebleu.corpus_chrf(list(texts), [list(references)]).score, 10)


def _check(texts: Sequence[str], references: Sequence[str]) -> None:
    if len(texts) != len(references) or not texts:
        raise ValueError(
            f"{len(texts)} texts and {len(references)} references: there must be as "
            "many, and some"
        )

"""Scores of texts that were written, such as translations and summaries, beside what
people wrote."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from massivetext_keras.extras import need
from massivetext_keras.values import choose

# Chinese characters and kana one by one, of all else words.
_CHARACTER = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_CHARACTER}]|[^\W{_CHARACTER}]+")
_SNOWBALL = {"de": "german"}

_need = functools.partial(need, extra="evaluation")


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
    _check(texts, references)
    score = (
        _need("sacrebleu")
        .corpus_bleu(list(texts), [list(references)], tokenize=tokenization)
        .score
    )
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
    _check(texts, references)
    score = _need("sacrebleu").corpus_chrf(list(texts), [list(references)]).score
    return round(score, 10)


def rouge(
    texts: Sequence[str],
    references: Sequence[str],
    language: str = "en",
    kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL"),
) -> dict[str, float]:
    """ROUGE (Lin, 2004), F1 from 0 to 1, the mean over the texts.

    English as `rouge-score` has it, with Porter's stems. Other languages by their
    words, Chinese and Japanese by their characters; punctuation does not count.

    Args:
        texts: summaries.
        references: what they should be.
        language: of the texts, an ISO code.
        kinds: "rouge1" and so on share n-grams, "rougeL" the longest subsequence.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> rouge(["a cat slept"], ["the cat sleeps"], kinds=["rouge1", "rougeL"])
    {'rouge1': 0.333..., 'rougeL': 0.333...}
    >>> rouge(["猫睡了"], ["猫睡着"], "zh", ["rouge2"])
    {'rouge2': 0.5}
    """
    _check(texts, references)
    words = _Words()
    if language == "en":  # given, as the scorer's own is logged each time
        words = _need("rouge_score.tokenizers").DefaultTokenizer(use_stemmer=True)
    scorer = _need("rouge_score.rouge_scorer").RougeScorer(kinds, tokenizer=words)
    scores = [scorer.score(r, t) for t, r in zip(texts, references, strict=True)]
    return {
        kind: sum(score[kind].fmeasure for score in scores) / len(scores)
        for kind in kinds
    }


class _Words:
    """Cuts texts for rouge-score, whose own way knows ASCII letters alone."""

    def tokenize(self, text: str) -> list[str]:
        return _WORD.findall(text.lower())


def meteor(
    texts: Sequence[str],
    references: Sequence[str],
    language: str = "en",
    wordnet: Any = None,
) -> float:
    """METEOR (Banerjee & Lavie, 2005) as nltk computes it, from 0 to 1, the mean over
    the texts.

    Words match that are the same, or have the same stem in English (Porter) or German
    (Snowball), or are synonyms. Chinese is matched by characters.

    Args:
        texts: translations.
        references: what they should be.
        language: of the texts, an ISO code.
        wordnet: with `synsets(word)`, such as `nltk.corpus.wordnet` where its data is
            there (None: no synonyms).

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> meteor(["cats sat"], ["cat sat"])  # two words, one chunk: 1 - 0.5 / 2 ** 3
    0.9375
    """
    _check(texts, references)
    score = _need("nltk.translate.meteor_score").single_meteor_score
    stemmer, wordnet = _stemmer(language), wordnet or _NoSynonyms()
    pairs = zip(texts, references, strict=True)
    scores = [
        score(_WORD.findall(r), _WORD.findall(t), stemmer=stemmer, wordnet=wordnet)
        for t, r in pairs
    ]
    return sum(scores) / len(scores)


def _stemmer(language: str) -> Any:
    if language == "en":
        return _need("nltk.stem.porter").PorterStemmer()
    if language in _SNOWBALL:
        return _need("nltk.stem.snowball").SnowballStemmer(_SNOWBALL[language])
    return _NoStems()


class _NoStems:
    def stem(self, word: str) -> str:
        return word


class _NoSynonyms:
    def synsets(self, word: str) -> list:
        return []


def _rouge(kind: str) -> Callable[..., float]:
    return lambda texts, references, language: rouge(
        texts, references, language, [kind]
    )[kind]


# (texts, references, language) -> score
MEASURES: dict[str, Callable[[Sequence[str], Sequence[str], str], float]] = {
    "bleu": lambda t, r, language: bleu(t, r, "zh" if language == "zh" else "13a"),
    "chrf": lambda t, r, language: chrf(t, r),
    "rouge1": _rouge("rouge1"),
    "rouge2": _rouge("rouge2"),
    "rougeL": _rouge("rougeL"),
    "meteor": meteor,
}


def written_scores(
    texts: Sequence[str],
    references: Sequence[str],
    language: str = "en",
    measures: Sequence[str] = tuple(MEASURES),
) -> dict[str, float]:
    """Several measures of the same texts.

    Args:
        texts: what was written.
        references: what should be.
        language: of the texts, an ISO code.
        measures: names in `MEASURES`.

    Returns:
        Scores by name: of "bleu" and "chrf" from 0 to 100, of the others from 0 to 1,
        as their fields have them.

    Raises:
        ValueError: a measure is unknown, there are more texts than references or the
            other way round, or none.

    >>> written_scores(["ein Haus"], ["ein Haus"], "de", ["chrf", "rouge2"])
    {'chrf': 100.0, 'rouge2': 1.0}
    """
    chosen = {name: choose("measure", name, MEASURES) for name in measures}
    return {name: f(texts, references, language) for name, f in chosen.items()}


def _check(texts: Sequence[str], references: Sequence[str]) -> None:
    if len(texts) != len(references) or not texts:
        raise ValueError(
            f"{len(texts)} texts and {len(references)} references: there must be as "
            "many, and some"
        )

"""Scores of texts that were written, such as translations and summaries, beside what
people wrote."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from massivetext_keras.evaluation.words import language_of, words
from massivetext_keras.support.extras import need
from massivetext_keras.support.scripts import primary_language
from massivetext_keras.support.values import choose

_SNOWBALL = {"de": "german"}

# sacrebleu's, of languages without spaces. Its own choice for Japanese needs MeCab, and
# a number should not hang on what is installed.
_CHARACTERS = dict.fromkeys(("ja", "th", "lo", "km", "my", "bo"), "char")
TOKENIZATIONS = {"zh": "zh", **_CHARACTERS}

_need = functools.partial(need, extra="evaluation")


def bleu(
    texts: Sequence[str], references: Sequence[str], tokenization: str | None = None
) -> float:
    """BLEU of a corpus (Papineni et al., 2002; Post, 2018), from 0 to 100.

    Args:
        texts: translations.
        references: what they should be.
        tokenization: of sacrebleu, such as "ja-mecab" (None: "zh" where the references
            are Chinese, "char" in other scripts without spaces, else "13a").

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> bleu(["a small cat sat down"], ["a small cat sat down"])
    100.0
    >>> bleu(["猫が座っている"], ["猫が座っていた"])  # by characters
    80.91...
    """
    _check(texts, references)
    if tokenization is None:
        tokenization = TOKENIZATIONS.get(language_of(references), "13a")
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
    language: str | None = None,
    kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL"),
) -> dict[str, float]:
    """ROUGE (Lin, 2004), F1 from 0 to 1, the mean over the texts.

    English as `rouge-score` has it, with Porter's stems. It knows ASCII letters alone:
    beside them, words of other scripts do not count, so that numbers are those of other
    papers (`language="und"` counts them). A reference without any is cut as other
    languages are, into its words, which are letters in scripts without spaces.
    Punctuation does not count.

    Args:
        texts: summaries.
        references: what they should be.
        language: of the texts, an ISO code or a tag that begins with one, as "en-US"
            (None: see `language_of`).
        kinds: "rouge1" and so on share n-grams, "rougeL" the longest subsequence,
            "rougeLsum" those of sentences, each on a line of its own.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> rouge(["a cat slept"], ["the cat sleeps"], kinds=["rouge1", "rougeL"])
    {'rouge1': 0.333..., 'rougeL': 0.333...}
    >>> rouge(["猫睡了"], ["猫睡着"], kinds=["rouge2"])
    {'rouge2': 0.5}
    """
    _check(texts, references)
    language, scorer = _language(language, references), _rouge_scorer(kinds)
    scores = [
        scorer(language, r).score(r, t) for t, r in zip(texts, references, strict=True)
    ]
    return {
        kind: sum(score[kind].fmeasure for score in scores) / len(scores)
        for kind in kinds
    }


def _rouge_scorer(kinds: Sequence[str]) -> Callable[[str, str], Any]:
    """(language, reference) -> the scorer of such texts."""
    make = _need("rouge_score.rouge_scorer").RougeScorer
    # given, as the scorer's own is logged each time
    ascii_words = _need("rouge_score.tokenizers").DefaultTokenizer(use_stemmer=True)
    english, other = (make(kinds, tokenizer=x) for x in (ascii_words, _Words()))

    def scorer(language: str, reference: str) -> Any:
        known = language == "en" and ascii_words.tokenize(reference)
        return english if known else other

    return scorer


class _Words:
    """Cuts texts for rouge-score, whose own way knows ASCII letters alone."""

    def tokenize(self, text: str) -> list[str]:
        return words(text.lower())


def meteor(
    texts: Sequence[str],
    references: Sequence[str],
    language: str | None = None,
    wordnet: Any = None,
) -> float:
    """METEOR (Banerjee & Lavie, 2005) as nltk computes it, from 0 to 1, the mean over
    the texts.

    Words match that are the same, or have the same stem in English (Porter) or German
    (Snowball), or are synonyms. Scripts without spaces are matched by letters. The
    longer a text, the nearer to 1 a text is that is the same: m words in one run score
    1 - 0.5 / m ** 3.

    Args:
        texts: translations.
        references: what they should be.
        language: of the texts, an ISO code or a tag that begins with one, as "en-US"
            (None: see `language_of`).
        wordnet: with `synsets(word)`, such as `nltk.corpus.wordnet` where its data is
            there (None: no synonyms).

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> meteor(["cats sat"], ["cat sat"])  # two words, one chunk: 1 - 0.5 / 2 ** 3
    0.9375
    """
    _check(texts, references)
    score = _need("nltk.translate.meteor_score").single_meteor_score
    stemmer = _stemmer(_language(language, references))
    wordnet = wordnet or _NoSynonyms()
    scores = [
        score(words(r), words(t), stemmer=stemmer, wordnet=wordnet)
        for t, r in zip(texts, references, strict=True)
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
MEASURES: dict[str, Callable[[Sequence[str], Sequence[str], str | None], float]] = {
    "bleu": lambda t, r, language: bleu(
        t, r, TOKENIZATIONS.get(primary_language(language or ""))
    ),
    "chrf": lambda t, r, language: chrf(t, r),
    "rouge1": _rouge("rouge1"),
    "rouge2": _rouge("rouge2"),
    "rougeL": _rouge("rougeL"),
    "rougeLsum": _rouge("rougeLsum"),
    "meteor": meteor,
}


def written_scores(
    texts: Sequence[str],
    references: Sequence[str],
    language: str | None = None,
    measures: Sequence[str] = tuple(MEASURES),
) -> dict[str, float]:
    """Several measures of the same texts.

    Args:
        texts: what was written.
        references: what should be.
        language: of the texts, an ISO code or a tag that begins with one, as "en-US"
            (None: see `language_of`).
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


def _language(tag: str | None, references: Sequence[str]) -> str:
    return primary_language(tag) if tag else language_of(references)


def _check(texts: Sequence[str], references: Sequence[str]) -> None:
    if len(texts) != len(references) or not texts:
        raise ValueError(
            f"{len(texts)} texts and {len(references)} references: there must be as "
            "many, and some"
        )

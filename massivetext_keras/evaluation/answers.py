"""Answers beside those that people gave, compared as the data sets' scripts do."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from massivetext_keras.values import choose

_GERMAN = "ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des"
_ARTICLES = {"en": r"\b(a|an|the)\b", "de": rf"\b({_GERMAN})\b", "zh": None}
LANGUAGES = tuple(_ARTICLES)

# What the script of CMRC 2018 takes for punctuation; the rest counts.
_CHINESE_SIGNS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_WITHOUT_SIGNS = str.maketrans("", "", _CHINESE_SIGNS)
# A Chinese character; else a number, a word, or a sign.
_SEGMENTS = re.compile(r"[一-\u9fa5]|\d+(?:[.,]\d+)+|(?:(?![一-\u9fa5])\w)+|[^\w\s]")


_HAN = re.compile("[\u4e00-\u9fa5]")
_COMMON = {
    "de": re.compile(r"\b(?:der|die|und|das|ist|nicht|von|mit)\b", re.IGNORECASE),
    "en": re.compile(r"\b(?:the|of|and|that|is|was|to|with)\b", re.IGNORECASE),
}


def language_of(texts: Sequence[str]) -> str:
    """Which of `LANGUAGES` texts are in: Chinese where a tenth of the characters are,
    else German or English by their most frequent words.

    >>> [language_of([x]) for x in ("the cat is black", "das ist die Katze", "黑猫")]
    ['en', 'de', 'zh']
    """
    text = "\n".join(texts)
    if len(_HAN.findall(text)) > len(text) / 10:
        return "zh"
    counts = {name: len(words.findall(text)) for name, words in _COMMON.items()}
    return "de" if counts["de"] > counts["en"] else "en"


def normalized(text: str, language: str = "en") -> str:
    """An answer without what makes no difference.

    English: as the script of SQuAD has it (Rajpurkar et al., 2016), in lower case,
    without ASCII punctuation and articles, and with single spaces. German: as that of
    MLQA (Lewis et al., 2020), without German articles and any punctuation. Chinese: as
    that of CMRC 2018 (Cui et al., 2019), in lower case and without its punctuation.

    Args:
        text: answer.
        language: one of `LANGUAGES`.

    Raises:
        ValueError: the language is unknown.

    >>> normalized("The  cat's (black) hat"), normalized("Die „Katze“", "de")
    ('cats black hat', 'katze')
    """
    articles = choose("language", language, _ARTICLES)
    text = text.lower()
    if language == "zh":
        return text.strip().translate(_WITHOUT_SIGNS)
    text = "".join(sign for sign in text if not _is_punctuation(sign, language))
    return " ".join(re.sub(articles, " ", text).split())


def _is_punctuation(sign: str, language: str) -> bool:
    if sign in string.punctuation:
        return True
    return language != "en" and unicodedata.category(sign).startswith("P")


def segments(text: str, language: str = "en") -> list[str]:
    """The parts of an answer that are compared one by one.

    Words; of Chinese every character, while other scripts between them make words,
    numbers and signs (the script of CMRC 2018 cuts those by NLTK's rules for English).

    >>> segments("the black cat"), segments("于1990年，Windows 3.0", "zh")
    (['black', 'cat'], ['于', '1990', '年', 'windows', '3.0'])
    """
    text = normalized(text, language)
    return _SEGMENTS.findall(text) if language == "zh" else text.split()


def exact_match(text: str, answers: Sequence[str], language: str = "en") -> float:
    """Whether an answer is one of the right ones: 1 or 0.

    Args:
        text: answer; "" says that there is none.
        answers: that people gave; where there are none, or none that is more than
            articles and punctuation, "" is right (Rajpurkar et al., 2018).
        language: see `normalized`.

    >>> exact_match("the cat.", ["a dog", "cat"]), exact_match("", [])
    (1.0, 1.0)
    """
    found = normalized(text, language)
    return float(
        any(found == normalized(x, language) for x in _right(answers, language))
    )


def f1(text: str, answers: Sequence[str], language: str = "en") -> float:
    """F1 of an answer's words and those of the right one that is nearest, from 0 to 1.

    Words are compared whatever their order; in Chinese the longest run of segments
    counts that both answers have (the "LCS" of CMRC 2018's script is such a substring,
    no subsequence).

    Args:
        text, answers, language: see `exact_match`.

    >>> f1("the black cat", ["a cat"]), f1("cat", [])
    (0.6666666666666666, 0.0)
    >>> f1("黑色的猫", ["黑猫", "的猫"], "zh")
    0.6666666666666666
    """
    found = segments(text, language)
    return max(
        _f1(found, segments(answer, language), language)
        for answer in _right(answers, language)
    )


def _right(answers: Sequence[str], language: str) -> list[str]:
    return [x for x in answers if normalized(x, language)] or [""]


def _f1(found: list[str], right: list[str], language: str) -> float:
    if not found or not right:
        return float(found == right)
    if language == "zh":
        same = _longest_run(found, right)
    else:
        same = sum((Counter(found) & Counter(right)).values())
    return 2.0 * same / (len(found) + len(right))


def _longest_run(first: list[str], second: list[str]) -> int:
    """Length of the longest list that is a part of both."""
    longest, row = 0, [0] * (len(second) + 1)
    for x in first:
        row = [0] + [row[i] + 1 if x == y else 0 for i, y in enumerate(second)]
        longest = max(longest, *row)
    return longest


def answer_scores(
    texts: Sequence[str], answers: Sequence[Sequence[str]], language: str = "en"
) -> dict[str, float]:
    """Mean exact match and F1, from 0 to 100.

    Args:
        texts: answers to questions; "" where there is none.
        answers: to each question, those that people gave; none where nothing answers.
        language: see `normalized`.

    Returns:
        `exact_match` and `f1`; where some questions have an answer and some have none,
        also `answerable_exact_match`, `answerable_f1` and `unanswerable_accuracy`.

    Raises:
        ValueError: there are more of one than of the other, or none.

    >>> answer_scores(["cat", "the mat"], [["a cat"], ["on a mat"]])
    {'exact_match': 50.0, 'f1': 83.33333333333333}
    """
    if len(texts) != len(answers) or not texts:
        raise ValueError(
            f"{len(texts)} texts and answers to {len(answers)} questions: there must "
            "be as many, and some"
        )
    rows = [
        (exact_match(text, right, language), f1(text, right, language))
        for text, right in zip(texts, answers, strict=True)
    ]
    sides: tuple[list, list] = [], []  # questions without an answer, and with one
    for row, right in zip(rows, answers, strict=True):
        sides[_right(right, language) != [""]].append(row)
    scores = dict(zip(("exact_match", "f1"), _means(rows), strict=True))
    if all(sides):
        some = _means(sides[True])
        scores["answerable_exact_match"], scores["answerable_f1"] = some
        scores["unanswerable_accuracy"] = _means(sides[False])[0]
    return scores


def _means(rows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    exact, overlap = (100.0 * sum(x) / len(rows) for x in zip(*rows, strict=True))
    return exact, overlap

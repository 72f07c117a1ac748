"""Answers beside those that people gave, compared as the data sets' scripts do."""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from massivetext_keras.evaluation.words import UNKNOWN, marks, unspaced_letters
from massivetext_keras.support.scripts import primary_language
from massivetext_keras.support.values import choose

# Of the scripts of SQuAD and, but for English, MLQA.
_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "ar": "ال",
}
_OTHERS = (
    "af am az be bg bn bo bs ca cs cy da el eo et eu fa fi fr ga gl gu he hi hr hu hy "
    "id is it ja ka kk km kn ko ku ky la lb lo lt lv mk ml mn mr ms mt my nb ne nl nn "
    "no or pa pl ps pt ro ru sa sd si sk sl so sq sr sv sw ta te tg th tk tl tr tt ug "
    "uk ur uz xh yi yo zh zu"
)
LANGUAGES = dict.fromkeys((*_ARTICLES, *_OTHERS.split(), UNKNOWN))

# What the script of CMRC 2018 takes for punctuation; the rest counts.
_CHINESE_SIGNS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_WITHOUT_SIGNS = str.maketrans("", "", _CHINESE_SIGNS)
# What that of KorQuAD makes a space of, before ASCII punctuation goes.
_KOREAN_SIGNS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_ASCII_ALONE = ("en", "ko")  # whose scripts know no other punctuation
# A Chinese character; else a number, a word, or a sign.
_SEGMENTS = re.compile(r"[一-\u9fa5]|\d+(?:[.,]\d+)+|(?:(?![一-\u9fa5])\w)+|[^\w\s]")


@functools.lru_cache
def known_language(tag: str) -> str:
    """The one of `LANGUAGES` that a tag begins with.

    Raises:
        ValueError: there is none.

    >>> known_language("de_AT")
    'de'
    """
    language = primary_language(tag)
    choose("language", tag if language not in LANGUAGES else language, LANGUAGES)
    return language


def normalized(text: str, language: str = "en") -> str:
    """An answer without what makes no difference.

    English: as the script of SQuAD has it (Rajpurkar et al., 2016), in lower case,
    without ASCII punctuation and articles, and with single spaces. Chinese: as that of
    CMRC 2018 (Cui et al., 2019), in lower case and without its punctuation. Korean: as
    that of KorQuAD (Lim et al., 2019), quotation marks and brackets being spaces. All
    others: as that of MLQA (Lewis et al., 2020), without any punctuation, and without
    articles in German, Spanish, Vietnamese and Arabic. In all but English a letter is
    the same however it is composed.

    Args:
        text: answer.
        language: one of `LANGUAGES`, also with a country, as "en-US"; "und" for any
            that is not among them.

    Raises:
        ValueError: the language is unknown.

    >>> normalized("The  cat's (black) hat"), normalized("Die „Katze“", "de")
    ('cats black hat', 'katze')
    """
    language = known_language(language)
    if language != "en":
        text = unicodedata.normalize("NFC", text)
    text = text.lower()
    if language == "zh":
        return text.strip().translate(_WITHOUT_SIGNS)
    if language == "ko":
        text = text.translate(_KOREAN_SIGNS)
    text = "".join(sign for sign in text if not _is_punctuation(sign, language))
    if language in _ARTICLES:
        text = re.sub(_ARTICLES[language], " ", text)
    return " ".join(text.split())


def _is_punctuation(sign: str, language: str) -> bool:
    if sign in string.punctuation:
        return True
    return language not in _ASCII_ALONE and unicodedata.category(sign).startswith("P")


def segments(text: str, language: str = "en") -> list[str]:
    """The parts of an answer that are compared one by one.

    Words. Of Chinese every character, while other scripts between them make words,
    numbers and signs (the script of CMRC 2018 cuts those by NLTK's rules for English).
    Of Korean every character, as in the script of KorQuAD. In all languages but English
    a letter of a script without spaces, such as Thai, is one by itself with its marks.

    >>> segments("the black cat"), segments("于1990年，Windows 3.0", "zh")
    (['black', 'cat'], ['于', '1990', '年', 'windows', '3.0'])
    >>> segments("ปี 1990", "th"), segments("서울은", "ko")
    (['ปี', '1990'], ['서', '울', '은'])
    """
    language = known_language(language)
    text = normalized(text, language)
    if language == "zh":
        return _SEGMENTS.findall(text)
    if language == "en":
        return text.split()
    if language == "ko":
        return list(text.replace(" ", ""))
    return _parts().findall(text)


@functools.cache
def _parts() -> re.Pattern[str]:
    """Letters of scripts without spaces, and words of others."""
    alone = f"[{unspaced_letters()}]"
    return re.compile(rf"{alone}[{marks()}]*|(?:(?!{alone})\S)+")


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
    language = known_language(language)
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
        also `answerable_exact_match`, `answerable_f1` and `unanswerable_accuracy`, and
        how many there are of both: `answerable` and `unanswerable`. An answer that is
        nothing but articles and punctuation counts among the answerable, as in the
        script of SQuAD 2.

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
        sides[bool(right)].append(row)
    scores = dict(zip(("exact_match", "f1"), _means(rows), strict=True))
    if all(sides):
        some = _means(sides[True])
        scores["answerable_exact_match"], scores["answerable_f1"] = some
        scores["unanswerable_accuracy"] = _means(sides[False])[0]
        scores["unanswerable"], scores["answerable"] = map(len, sides)
    return scores


def best_cut(
    texts: Sequence[str],
    answers: Sequence[Sequence[str]],
    odds: Sequence[float],
    score: Callable[[str, Sequence[str], str], float] = f1,
    language: str = "en",
) -> tuple[int, float]:
    """How many of the surest answers are best given, and no answer to the rest.

    As in the script of SQuAD 2 (Rajpurkar et al., 2018), no answer is worth 1 where
    there is none, else 0.

    Args:
        texts: the best answer to each question, "" where nothing was found.
        answers: see `answer_scores`.
        odds: how much surer each answer is than that there is none; any scale.
        score: `f1` or `exact_match`.
        language: see `normalized`.

    Returns:
        The number of answers, the smallest of those with the best mean, and this mean,
        from 0 to 100.

    >>> best_cut(["cat", "dog", "mat"], [["cat"], [], ["mat"]], [2.0, 0.5, 1.0])
    (2, 100.0)
    """
    order = sorted(range(len(odds)), key=lambda i: -odds[i])
    total = best = float(sum(not right for right in answers))
    count = 0
    for place, i in enumerate(order, 1):
        if answers[i]:
            total += score(texts[i], answers[i], language)
        elif texts[i]:
            total -= 1.0
        if total > best:
            best, count = total, place
    return count, 100.0 * best / len(answers)


def _means(rows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    exact, overlap = (100.0 * sum(x) / len(rows) for x in zip(*rows, strict=True))
    return exact, overlap

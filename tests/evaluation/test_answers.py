"""Exact match and F1: worked by hand from the rules of the official scripts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.evaluation.answers import (
    answer_scores,
    exact_match,
    f1,
    language_of,
    normalized,
    segments,
)


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("The  Cat's hat.", "en", "cats hat"),
        ("an A-team, a the", "en", "ateam"),
        ("theatre another", "en", "theatre another"),  # articles are whole words
        ("„Katze“ – the", "en", "„katze“ –"),  # ASCII punctuation alone
        ("die Katze", "en", "die katze"),
        ("Der „Hund“ – einer dem", "de", "hund"),
        ("the Hund", "de", "the hund"),
        ("《三国》 ABC-d、e", "zh", "三国 abcde"),
        ("1,000.5…", "zh", "1,000.5…"),  # the script's list has no ASCII comma
    ],
)
def test_what_makes_no_difference(text, language, wanted):
    assert normalized(text, language) == wanted


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("  Two\twords ", "en", ["two", "words"]),
        ("光荣和ω-force", "zh", ["光", "荣", "和", "ωforce"]),
        ("共1,000.5元 (about)", "zh", ["共", "1,000.5", "元", "(", "about", ")"]),
        ("Windows 3.1，版", "zh", ["windows", "3.1", "版"]),
        ("", "zh", []),
    ],
)
def test_parts_that_are_compared(text, language, wanted):
    assert segments(text, language) == wanted


@pytest.mark.parametrize(
    ("text", "answers", "exact", "overlap"),
    [
        ("the Denver Broncos!", ["Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos", "The Broncos"], 1, 1),  # the best of the two
        ("Denver", ["Denver Broncos"], 0, 2 / 3),  # precision 1, recall 1/2
        # precision 2/4, recall 2/3: words count as often as both have them
        ("gold gold gold cat", ["gold cat sat"], 0, 2 * (2 / 4) * (2 / 3) / (7 / 6)),
        ("Broncos Denver", ["Denver Broncos"], 0, 1),
        ("cat", ["dog"], 0, 0),
        ("", ["dog"], 0, 0),
        ("", [], 1, 1),
        ("dog", [], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("", ["the", "a."], 1, 1),  # answers that are nothing are none
        ("", ["the", "dog"], 0, 0),
    ],
)
def test_english(text, answers, exact, overlap):
    assert exact_match(text, answers) == exact
    assert f1(text, answers) == pytest.approx(overlap)


@pytest.mark.parametrize(
    ("text", "answers", "exact", "overlap"),
    [
        ("村雨城", ["任天堂游戏谜之村雨城"], 0, 2 * 3 / 13),
        ("村雨城", ["任天堂游戏谜之村雨城", "村雨城。"], 1, 1),
        # in common: 东 京 都, but never more than two together
        ("东京都", ["东京和都"], 0, 2 * 2 / 7),
        ("都东京", ["东京都"], 0, 2 * 2 / 6),
        ("于1990年", ["1990 年"], 0, 2 * 2 / 5),
        ("中", ["国"], 0, 0),
    ],
)
def test_chinese(text, answers, exact, overlap):
    assert exact_match(text, answers, "zh") == exact
    assert f1(text, answers, "zh") == pytest.approx(overlap)


def test_german_articles():
    assert exact_match("den Hunden", ["Hunden"], "de") == 1
    assert exact_match("den Hunden", ["Hunden"], "en") == 0
    assert f1("die graue Katze", ["der Katze"], "de") == pytest.approx(2 / 3)
    assert f1("die graue Katze", ["der Katze"], "en") == pytest.approx(2 / 5)


def brute_force_run(first: list, second: list) -> int:
    runs = {
        tuple(x[i:j])
        for x in [first]
        for i in range(len(x))
        for j in range(i, len(x) + 1)
    }
    parts = [
        tuple(second[i:j])
        for i in range(len(second))
        for j in range(i, len(second) + 1)
    ]
    return max((len(part) for part in parts if part in runs), default=0)


@given(st.text("东京都ab 1", max_size=8), st.text("东京都ab 1", max_size=8))
def test_f1_is_that_of_precision_and_recall(found, right):
    for language in ("en", "zh"):
        a, b = segments(found, language), segments(right, language)
        if not a or not b:
            assert f1(found, [right], language) == float(a == b)
            continue
        same = sum((Counter(a) & Counter(b)).values())
        if language == "zh":
            same = brute_force_run(a, b)
        precision, recall = same / len(a), same / len(b)
        wanted = 2 * precision * recall / (precision + recall) if same else 0.0
        assert f1(found, [right], language) == pytest.approx(wanted)


def test_means_and_questions_without_answers():
    texts = ["cat", "the mat", "", "dog"]
    answers = [["a cat"], ["on a mat"], [], []]
    found = answer_scores(texts, answers)
    assert list(found)[:2] == ["exact_match", "f1"]
    assert found == pytest.approx(
        {
            "exact_match": 50.0,
            "f1": 100 * (1 + 2 / 3 + 1 + 0) / 4,
            "answerable_exact_match": 50.0,
            "answerable_f1": 100 * (1 + 2 / 3) / 2,
            "unanswerable_accuracy": 50.0,
        }
    )
    assert answer_scores(texts[:2], answers[:2]).keys() == {"exact_match", "f1"}


def test_languages():
    assert language_of(["The cat of the house", "黑"]) == "en"
    assert language_of(["Die Katze und der Hund"]) == "de"
    assert language_of(["黑猫 black cat"]) == "zh"
    assert language_of([]) == "en"


def test_bad_input():
    with pytest.raises(ValueError, match="unknown language 'dee': did you mean 'de'"):
        f1("a", ["b"], "dee")
    with pytest.raises(ValueError, match="2 texts and answers to 1 questions"):
        answer_scores(["a", "b"], [["a"]])

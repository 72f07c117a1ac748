"""Exact match and F1: worked by hand from the rules of the official scripts."""

from __future__ import annotations

import random
import string
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massivetext_keras.evaluation.answers import (
    answer_scores,
    best_cut,
    exact_match,
    f1,
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
        (
            "《서울》의 (한강)…",
            "ko",
            "서울 의 한강 …",
        ),  # signs between words are spaces
        ("¿El gato, los perros?", "es", "gato perros"),
        ("của nhà", "vi", "nhà"),
        ("البيت، كبير؟", "ar", "بيت كبير"),
        ("की, का।", "hi", "की का"),
        ("cafe\u0301 – «bar»", "fr", "café bar"),
        ("cafe\u0301", "en", "cafe\u0301"),  # the script of SQuAD leaves it
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
        ("今日はBERTの日。", "ja", list("今日は") + ["bert", "の", "日"]),
        ("ปี 1990 กี่", "th", ["ปี", "1990", "กี่"]),
        ("서울은 한강", "ko", list("서울은한강")),
        ("की किताब।", "hi", ["की", "किताब"]),
        ("в Москве", "und", ["в", "москве"]),
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


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-US", "en"), ("de_AT", "de"), ("zh-CN", "zh"), ("zh_Hant_TW", "zh")],
)
def test_a_tag_means_the_language_that_it_begins_with(tag, language):
    text, answers = "The 1,5 黑色的, den Hunden", ["A 1,5 的 Hunden", "黑色的"]
    assert normalized(text, tag) == normalized(text, language)
    assert segments(text, tag) == segments(text, language)
    for measure in (exact_match, f1):
        assert measure(text, answers, tag) == measure(text, answers, language)
    assert answer_scores([text], [answers], tag) == answer_scores(
        [text], [answers], language
    )


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
            "answerable": 2,
            "unanswerable": 2,
        }
    )
    assert answer_scores(texts[:2], answers[:2]).keys() == {"exact_match", "f1"}


def squad_2(texts, answers, no_answer_odds) -> dict[str, float]:
    """What the script of SQuAD 2 prints (Rajpurkar et al., 2018), from its definition:
    questions with any answer listed are HasAns, even where it normalizes to nothing."""

    def plain(text):
        text = "".join(x for x in text.lower() if x not in string.punctuation)
        return [word for word in text.split() if word not in ("a", "an", "the")]

    def exact(text, right):
        return float(any(plain(text) == plain(x) for x in right))

    def overlap(text, right):
        a, best = Counter(plain(text)), 0.0
        for b in (Counter(plain(x)) for x in right):
            size = a.total() + b.total()
            f1 = float(a == b) if not a or not b else 2 * (a & b).total() / size
            best = max(best, f1)
        return best

    rows, found = [], {}
    for text, right, odds in zip(texts, answers, no_answer_odds, strict=True):
        gold = [x for x in right if plain(x)] or [""]
        row = bool(right), bool(text), odds, exact(text, gold), overlap(text, gold)
        rows.append(row)
    sides = {"": rows, "HasAns_": [x for x in rows if x[0]]}
    sides["NoAns_"] = [x for x in rows if not x[0]]
    for side, some in sides.items():
        found[f"{side}total"] = len(some)
        for column, name in ((3, "exact"), (4, "f1")):
            if some:
                found[side + name] = 100 * sum(x[column] for x in some) / len(some)
    for column, name in ((3, "exact"), (4, "f1")):
        score = best = len(sides["NoAns_"])
        for row in sorted(rows, key=lambda x: x[2]):
            score += row[column] if row[0] else -float(row[1])
            best = max(best, score)
        found[f"best_{name}"] = 100 * best / len(rows)
    return found


QUESTIONS = [
    ("The", ["the"]),  # nothing is left of the right answer, nor of the one given
    ("", ["a."]),
    ("cat", ["!"]),
    ("the", []),
    ("", []),
    ("cat", []),
    ("black cat", ["a cat", "the"]),
]
AN_ANSWER = st.sampled_from(["", "the", "a cat", "cat!", "black cat", "?"])
ASKED = st.tuples(AN_ANSWER, st.lists(AN_ANSWER.filter(bool), max_size=2))


@given(st.lists(ASKED, min_size=1, max_size=8), st.randoms(use_true_random=False))
@example(QUESTIONS, random.Random(0))
@example(QUESTIONS[:3], random.Random(0))
def test_the_numbers_are_those_of_squad_2(questions, random):
    texts, answers = map(list, zip(*questions, strict=True))
    odds = random.sample(range(-20, 20), len(texts))
    wanted = squad_2(texts, answers, [-x for x in odds])
    found = answer_scores(texts, answers)
    assert found["exact_match"] == pytest.approx(wanted["exact"])
    assert found["f1"] == pytest.approx(wanted["f1"])
    if wanted["HasAns_total"] and wanted["NoAns_total"]:
        assert found["answerable"] == wanted["HasAns_total"]
        assert found["unanswerable"] == wanted["NoAns_total"]
        assert found["answerable_exact_match"] == pytest.approx(wanted["HasAns_exact"])
        assert found["answerable_f1"] == pytest.approx(wanted["HasAns_f1"])
        assert found["unanswerable_accuracy"] == pytest.approx(wanted["NoAns_exact"])
    else:
        assert found.keys() == {"exact_match", "f1"}
    for score, name in ((exact_match, "exact"), (f1, "f1")):
        best = best_cut(texts, answers, odds, score)[1]
        assert best == pytest.approx(wanted[f"best_{name}"])


def test_as_few_answers_are_given_as_are_best():
    texts, answers = ["cat", "dog", "", "the"], [["cat"], [], [], ["the"]]
    assert best_cut(texts, answers, [0.0, -1.0, -2.0, -3.0]) == (1, 75.0)
    assert best_cut(texts, answers, [-5.0, 0.0, 1.0, 2.0]) == (1, 75.0)
    assert best_cut(["cat"], [[]], [9.0]) == (0, 100.0)


def test_bad_input():
    with pytest.raises(ValueError, match="unknown language 'dee-AT'"):
        normalized("x", "dee-AT")
    with pytest.raises(ValueError, match="unknown language 'dee': did you mean 'de'"):
        f1("a", ["b"], "dee")
    with pytest.raises(ValueError, match="2 texts and answers to 1 questions"):
        answer_scores(["a", "b"], [["a"]])

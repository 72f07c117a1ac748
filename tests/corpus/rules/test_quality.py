"""Gopher's and FineWeb's rules, at both sides of each threshold."""

from __future__ import annotations

import numpy as np
import pytest

from massivetext_keras.corpus.batch import Batch, reasons
from massivetext_keras.corpus.rules.fineweb_quality import fineweb_quality
from massivetext_keras.corpus.rules.gopher_quality import gopher_quality
from massivetext_keras.reading.document import Document


def measured(step, text, **arguments):
    """check -> (value, reason) of one document, its thresholds being the defaults."""
    document = Document(text, **arguments)
    checks = step(Batch([document]))
    return {
        check.name: (float(check.values[0]), bool(check.failed[0])) for check in checks
    }


def prose(count: int, *others: str) -> str:
    """So many words, of 5 letters but for two stop words and the others."""
    return " ".join(["and", "the", *others] + ["words"] * (count - 2 - len(others)))


GOPHER = [
    # check, text at the threshold (kept), its value, text beyond it (dropped), value
    ("words", prose(50), 50, prose(49), 49),
    ("words", prose(100_000), 100_000, prose(100_001), 100_001),
    ("word_length", "and the " * 50, 3, "and the " * 49 + "an the", 2.99),
    (
        *("word_length", "0123456789 " * 50, 10),
        *("0123456789 " * 49 + "01234567890", 10.02),
    ),
    ("number_signs", prose(50, *["word#"] * 5), 0.1, prose(50, *["word#"] * 6), 0.12),
    ("ellipses", prose(50, *["wo..."] * 5), 0.1, prose(50, *["wo..."] * 6), 0.12),
    ("ellipses", prose(50, *["word…"] * 5), 0.1, prose(50, *["word…"] * 6), 0.12),
    ("bullet_lines", "- a\n" * 9 + "b", 0.9, "- a\n" * 10 + "b", 10 / 11),
    ("bullet_lines", "  • a\n\n" * 9 + "b", 0.9, "* a\n" * 91 + "b\n" * 9, 0.91),
    ("ellipsis_lines", "a...\n" * 3 + "b\n" * 7, 0.3, "a...\n" * 4 + "b\n" * 6, 0.4),
    ("ellipsis_lines", "a…\n" * 3 + "b\n" * 7, 0.3, "a… \n" * 31 + "b\n" * 69, 0.31),
    (
        *("alphabetic_words", "(a) b2 " * 40 + "12 -- " * 10, 0.8),
        *("(a) b2 " * 39 + "12 -- " * 11, 0.78),
    ),
    ("stop_words", "The cat is with us", 2, "the cat, the dog", 1),
]


@pytest.mark.parametrize(("name", "kept", "at", "dropped", "beyond"), GOPHER)
def test_gopher_at_both_sides(name, kept, at, dropped, beyond):
    value, failed = measured(gopher_quality, kept)[name]
    assert not failed
    assert value == pytest.approx(at, abs=1e-12)
    value, failed = measured(gopher_quality, dropped)[name]
    assert failed
    assert value == pytest.approx(beyond, abs=1e-12)


@pytest.mark.parametrize("word", ["the", "be", "to", "of", "and", "that", "have"])
def test_each_stop_word_counts(word):
    assert measured(gopher_quality, f"{word} x with")["stop_words"] == (2.0, False)
    assert measured(gopher_quality, f"{word} x xwith")["stop_words"] == (1.0, True)


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("das ist der Hund und die Katze", "de", 5),
        ("das ist der Hund", "en", 0),
        ("Der Hund ist da", None, 2),  # by the language that has most
        ("the dog is here", "de", 0),
        ("的确，我是学生", "zh", 3),
        ("le chien est là", "fr", np.nan),
    ],
)
def test_stop_words_are_those_of_the_language(text, language, count):
    value, failed = measured(gopher_quality, text, language=language)["stop_words"]
    assert np.array_equal(value, count, equal_nan=True)
    assert failed == (count < 2)


def test_a_stop_word_is_one_word():
    with pytest.raises(ValueError, match="'in the' is 2 words"):
        gopher_quality(Batch([Document("x")]), stop_words={"en": ["in the"]})


def test_bounds_are_those_of_the_papers():
    batch = Batch([])
    assert {check.name: check.bounds for check in gopher_quality(batch)} == {
        "words": ">= 50 and <= 100,000",
        "word_length": ">= 3 and <= 10",
        "number_signs": "<= 0.1",
        "ellipses": "<= 0.1",
        "bullet_lines": "<= 0.9",
        "ellipsis_lines": "<= 0.3",
        "alphabetic_words": ">= 0.8",
        "stop_words": ">= 2",
    }
    assert {check.name: check.bounds for check in fineweb_quality(batch)} == {
        "punctuated_lines": "> 0.12",
        "duplicate_line_characters": "< 0.1",
        "short_lines": "< 0.67",
    }


def test_what_each_threshold_is_called():
    text = prose(60, "12", "34", "#", "...") + "\n- a\nb...\nc"
    for name, arguments in {
        "words": {"min_words": 70},
        "word_length": {"min_word_length": 6},
        "number_signs": {"max_symbols": 0.001},
        "bullet_lines": {"max_bullet_lines": 0.2},
        "ellipsis_lines": {"max_ellipsis_lines": 0.2},
        "alphabetic_words": {"min_alphabetic_words": 0.95},
        "stop_words": {"min_stop_words": 3},
    }.items():
        batch = Batch([Document(text)])
        assert reasons(gopher_quality(batch), 1) == [None]
        assert reasons(gopher_quality(batch, **arguments), 1) == [name]


def test_chinese_is_measured_by_characters():
    text = "我们在学校里学习，老师教我们写字和画画……他笑。" * 4
    checks = measured(gopher_quality, text)
    assert checks["words"] == (23 * 4, False)
    assert checks["ellipses"] == (pytest.approx(1 / 23), False)
    assert np.isnan(checks["word_length"][0])
    assert np.isnan(checks["alphabetic_words"][0])
    assert not any(failed for _, failed in checks.values())


FINEWEB = [
    # check, text at the threshold (dropped: a bound itself is), value, text (kept)
    ("punctuated_lines", "a\n" * 22 + "a.\n" * 3, 0.12, "a\n" * 21 + "a.\n" * 3),
    (
        *("duplicate_line_characters", "abc\n" * 2 + "x" * 24, 0.1),
        "abc\n" * 2 + "x" * 25,
    ),
    (
        *("short_lines", ("x" * 29 + "\n") * 67 + ("x" * 30 + "\n") * 33, 0.67),
        ("x" * 29 + "\n") * 66 + ("x" * 30 + "\n") * 34,
    ),
]


@pytest.mark.parametrize(("name", "dropped", "value", "kept"), FINEWEB)
def test_fineweb_at_both_sides(name, dropped, value, kept):
    assert measured(fineweb_quality, dropped)[name] == (pytest.approx(value), True)
    beyond, failed = measured(fineweb_quality, kept)[name]
    assert not failed
    assert beyond != pytest.approx(value)


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        *[(end, True) for end in [".", "!", "?", "。", "！", "？", "；", "……", '."']],
        *[(end, True) for end in ["」", "”", "“", "»", "'", "...", "…", "؟", "।"]],
        *[(end, False) for end in ["", ",", "，", ";", ":", "：", ")", "、", "-", "("]],
    ],
)
def test_punctuation_at_the_end_of_lines(end, counts):
    share, _ = measured(fineweb_quality, f"some words{end} ")["punctuated_lines"]
    assert share == counts


def test_thai_lines_need_no_punctuation():
    value, failed = measured(fineweb_quality, "น้ำดี")["punctuated_lines"]
    assert np.isnan(value) and not failed


def test_short_lines_of_scripts_without_spaces():
    assert measured(fineweb_quality, "字" * 10)["short_lines"] == (0, False)
    assert measured(fineweb_quality, "字" * 9)["short_lines"] == (1, True)
    assert measured(fineweb_quality, "a" * 10)["short_lines"] == (1, True)


@pytest.mark.parametrize("step", [gopher_quality, fineweb_quality])
def test_code_is_not_measured(step):
    batch = Batch([Document("x", kind="code"), Document("", kind="text")])
    for check in step(batch):
        assert np.isnan(check.values[0])
        assert not check.failed[0]
        assert not np.isnan(check.values[1])


@pytest.mark.parametrize("step", [gopher_quality, fineweb_quality])
def test_a_batch_is_its_documents_alone(step):
    texts = [text for row in GOPHER for text in (row[1], row[3])][4:] + ["", "中文。"]
    together = step(Batch(map(Document, texts)))
    for index, text in enumerate(texts):
        alone = step(Batch([Document(text)]))
        for one, all_ in zip(alone, together, strict=True):
            assert one.name == all_.name
            assert np.array_equal(one.values[0], all_.values[index], equal_nan=True)
    assert [len(check.values) for check in step(Batch([]))] == [0] * len(together)


def test_a_list_of_stop_words_may_be_in_any_form_of_unicode():
    decomposed = {"fr": ["e\u0301te\u0301", "a\u0300"]}
    batch = Batch([Document("Il a été à Paris. Été.", language="fr")])
    checks = gopher_quality(batch, stop_words=decomposed)
    assert checks[-1].values.tolist() == [2]

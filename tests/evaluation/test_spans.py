"""Spans, the tags that say them, and their F1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from massivetext_keras.evaluation.spans import span_scores
from massivetext_keras.support.tags import spans_of_tags, tags_of_spans

WORDS = [(0, 3), (4, 8), (8, 9), (10, 15), (16, 17)]
TAGS = st.lists(
    st.sampled_from(["O", *(f"{p}-{x}" for p in "BIES" for x in ("PER", "LOC"))]),
    max_size=8,
)


@given(tags=TAGS)
def test_tags_are_read_as_seqeval_reads_them(tags):
    expected = [(start, end + 1, label) for label, start, end in get_entities(tags)]
    assert spans_of_tags(tags) == expected


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@given(tags=TAGS)
def test_spans_of_words_come_back_from_their_tags(scheme, tags):
    words = [(3 * i, 3 * i + 2) for i in range(len(tags))]
    spans = [(3 * a, 3 * b - 1, label) for a, b, label in spans_of_tags(tags)]
    again = spans_of_tags(tags_of_spans(words, spans, scheme))
    assert again == spans_of_tags(tags)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 9, "X"), ["B-X", "I-X", "I-X", "O", "O"]),
        ((0, 6, "X"), ["B-X", "I-X", "O", "O", "O"]),  # half of the second word
        ((0, 5, "X"), ["B-X", "O", "O", "O", "O"]),
        ((10, 11, "X"), ["O", "O", "O", "B-X", "O"]),  # less than half of any
        ((3, 4, "X"), ["O"] * 5),  # between words
        ((9, 30, "X"), ["O", "O", "O", "B-X", "I-X"]),
    ],
)
def test_characters_as_words(span, expected):
    assert tags_of_spans(WORDS, [span]) == expected


def test_bioes_and_neighbours():
    spans = [(0, 3, "X"), (4, 9, "X"), (10, 17, "Y")]
    assert tags_of_spans(WORDS, spans, "BIOES") == ["S-X", "B-X", "E-X", "B-Y", "E-Y"]
    assert tags_of_spans(WORDS, spans) == ["B-X", "B-X", "I-X", "B-Y", "I-Y"]


def test_scores_by_hand():
    gold = [[(0, 3, "X"), (4, 9, "X")], [(0, 3, "Y")], []]
    found = [[(0, 3, "X"), (4, 8, "X")], [(0, 3, "X")], [(10, 15, "Y")]]
    scores = span_scores(gold, found, [WORDS] * 3)
    assert scores["precision"] == pytest.approx(1 / 4)
    assert scores["recall"] == pytest.approx(1 / 3)
    assert next(iter(scores)) == "f1" and scores["f1"] == pytest.approx(2 / 7)
    assert scores["f1/X"] == pytest.approx(2 / 5) and scores["f1/Y"] == 0.0
    assert scores["macro_f1"] == pytest.approx(1 / 5)


def test_words_of_people_forgive_what_is_within_a_word():
    gold, found = [[(4, 9, "X")]], [[(4, 8, "X")]]
    assert span_scores(gold, found, [[(0, 3), (4, 9)]])["f1"] == 1.0
    assert span_scores(gold, found)["f1"] == 0.0
    assert span_scores(gold, gold)["f1"] == 1.0


def test_nothing_to_find():
    assert span_scores([[]], [[]])["f1"] == 1.0
    assert span_scores([[]], [[(0, 1, "X")]])["f1"] == 0.0

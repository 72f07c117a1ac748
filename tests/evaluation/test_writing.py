"""Corpus scores by hand."""

from __future__ import annotations

import math

import pytest

from massivetext_keras.evaluation import bleu, chrf


def test_bleu_by_hand():
    text, reference = "the cat sat on the mat today", "the cat sat on a mat today"
    # n-grams in common: 6 of 7, 4 of 6, 2 of 5, 1 of 4; as long as the reference
    wanted = 100 * math.prod([6 / 7, 4 / 6, 2 / 5, 1 / 4]) ** 0.25
    assert bleu([text], [reference]) == pytest.approx(wanted)


def test_short_texts_are_punished():
    reference = "one two three four five six"
    assert bleu(["one two three four"], [reference]) == pytest.approx(
        100 * math.exp(1 - 6 / 4)
    )


def test_chinese_is_cut_into_characters():
    text, reference = "我今天很高兴见到你", "我今天很高兴见到他"
    wanted = 100 * math.prod([8 / 9, 7 / 8, 6 / 7, 5 / 6]) ** 0.25
    assert bleu([text], [reference], "zh") == pytest.approx(wanted)
    assert bleu([text], [reference]) < 1


def test_chrf_knows_parts_of_words():
    assert 0 < chrf(["walking"], ["walked"]) < chrf(["walked"], ["walked"]) == 100
    assert chrf(["xyz"], ["abc"]) == 0


def test_lists_must_be_parallel():
    with pytest.raises(ValueError, match="1 texts and 2 references"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="0 texts and 0 references"):
        chrf([], [])

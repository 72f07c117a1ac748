"""Texts that say the same in other forms are the same to lists."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.folding import (
    _clusters,
    _fold,
    caseless,
    composed,
    folded,
    origins,
)
from massivetext_keras.reading.document import Document


def fold(text):
    return folded(Batch([Document(text)])).texts[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't (ever) U.S.-made", "don t  ever  u s  made"),
        ("Cafe\u0301 CAF\u00c9", "café café"),
        ("ﬁne ﬂow oﬃce", "fine flow office"),
        ("Ｃａｆｅ１２３，", "cafe123 "),
        ("ｶﾞﾗｽ ガラス", "ガラス ガラス"),
        ("Straße STRASSE", "strasse strasse"),
        ("ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ σίσυφοσ"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("क\u093cिला \u0958िला", "क\u093cिला क\u093cिला"),
        ("Vie\u0302\u0323t Vi\u1ec7t", "việt việt"),
        ("x\u00ady a\u200bb می\u200cخواهم \ufeff", "xy ab میخواهم "),
        ("x² ½ ① ™ € 5%", "x2 1 2 1     5 "),
        ("用Python 3编程。", "用python 3编程 "),
        ("one\ntwo\tthree\u3000four", "one two three four"),
        ("\ud800 \x00", "  "),
        ("", ""),
    ],
)
def test_forms_that_mean_the_same(text, expected):
    assert fold(text) == expected


texts = st.text(
    st.one_of(st.characters(), st.sampled_from("aé\u0301\u0323ß ﬁ１ｶﾞ한\u11ab.\n中İ"))
)


@given(texts)
def test_all_forms_of_unicode_are_one(text):
    # None of its own: half of a surrogate pair has no other form.
    text = text.encode("utf-8", "ignore").decode()
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC")]
    assert fold(forms[0]) == fold(forms[1])
    if not any(unicodedata.category(one)[0] in "PS" for one in text):
        assert fold(forms[2]) == fold(forms[0])


@given(texts, texts)
def test_characters_together_are_as_each_text_alone(one, other):
    batch = folded(Batch([Document(one), Document(other)]))
    assert batch.texts == [fold(one), fold(other)] == [_fold(one), _fold(other)]


@given(texts)
def test_every_character_is_from_somewhere(text):
    found, places = fold(text), origins(text)
    assert len(places) == len(found) + 1 and places[-1] == len(text)
    assert (np.diff(places) >= 0).all()
    assert "".join(_fold(one[0]) for one in _clusters().finditer(text)) == found


def test_plain_helpers():
    assert composed("e\u0301") == "\u00e9"
    assert caseless("ＡB ß") == "ab ss"

"""Words of any script, and the languages that measures tell apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.evaluation.words import language_of, marks, words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The cat's hat, 3.5!", ["The", "cat", "s", "hat", "3", "5"]),
        ("snake_case", ["snake_case"]),
        ("की का कि", ["की", "का", "कि"]),
        ("சென்னை", ["சென்னை"]),
        ("กี่ปี", ["กี่", "ปี"]),
        ("ထမင်း", ["ထ", "မ", "င်း"]),
        ("བཀྲ་ཤིས", ["བ", "ཀྲ", "ཤི", "ས"]),
        ("日本の、BERT3つ", ["日", "本", "の", "BERT3", "つ"]),
        ("が", ["が"]),
        ("が", ["が"]),  # ka and a mark
        ("한국어 문장", ["한국어", "문장"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("می‌خواهم", ["میخواهم"]),
        ("Donau\u00addampf", ["Donaudampf"]),
        ("ab\u200bcd", ["ab", "cd"]),  # a space of no width is one
        ("𐐀𐐨 𠀀𠀁", ["𐐀𐐨", "𠀀", "𠀁"]),
        ("… — ‼ 🙂", []),
    ],
)
def test_words_of_any_script(text, wanted):
    wanted = [unicodedata.normalize("NFC", word) for word in wanted]
    assert words(text) == wanted
    assert words(unicodedata.normalize("NFD", text)) == wanted


@given(st.text())
def test_no_letter_or_digit_is_lost(text):
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(words(text))
    assert [x for x in kept if x.isalnum()] == [x for x in composed if x.isalnum()]
    assert not any(map(str.isspace, kept))


def test_marks_are_all_of_unicode():
    every = {chr(x) for x in range(0x110000) if unicodedata.category(chr(x))[0] == "M"}
    ranges = [marks()[i : i + 3] for i in range(0, len(marks()), 3)]
    assert every == {chr(x) for a, _, b in ranges for x in range(ord(a), ord(b) + 1)}


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["The cat of the house", "黑"], "en"),
        (["a small cat sat down"], "en"),  # nothing speaks against it
        (["The café in Zürich was full", "naïve, she said to him"], "en"),
        (["Die Katze und der Hund"], "de"),
        (["黑猫 black cat"], "zh"),
        (["私は黒い猫です"], "ja"),
        (["东京の店很大，我们今天去了那里"], "zh"),
        (["검은 고양이"], "ko"),
        (["แมวดำ"], "th"),
        (["ແມວດຳ"], "lo"),
        (["ဒီနေ့"], "my"),
        (["ឆ្មា"], "km"),
        (["བྱི་ལ"], "bo"),
        (["чёрная кошка"], "und"),
        (["μαύρη γάτα"], "und"),
        (["काली बिल्ली"], "und"),
        (["قطة سوداء"], "und"),
        (["les élèves ont été à l'école"], "und"),
        (["jest czarny kot, który śpi, bo jest zmęczony"], "und"),
        (["123 !?"], "en"),
        ([], "en"),
    ],
)
def test_languages_that_measures_tell_apart(texts, wanted):
    assert language_of(texts) == wanted

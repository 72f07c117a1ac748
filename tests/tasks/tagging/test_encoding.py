"""Words in the graph, and windows in which each of them is asked about once."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from massivetext_keras.tasks.tagging.encoding import tagged_rows
from massivetext_keras.text.words import word_offsets
from massivetext_keras.tokenizers import ByteTokenizer
from tests.tasks.tiny import words as tiny_words

TEXTS = st.lists(
    st.text(max_size=40) | st.text("ab 北京e\u0301\t\n.,😀\u200d한국", max_size=40),
    min_size=1,
    max_size=4,
)


def cut(text: str) -> list[str]:
    ((starts,), (ends,)) = (x.to_list() for x in word_offsets(tf.constant([text])))
    return [text[a:b] for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Angela  Merkel's", ["Angela", "Merkel", "'", "s"]),
        ("U.S.\t3,5 %\n", ["U", ".", "S", ".", "3", ",", "5", "%"]),
        ("我们在ABC公司。", ["我", "们", "在", "ABC", "公", "司", "。"]),
        ("カタカナ とひらがなー", [*"カタカナとひらがなー"]),
        ("한국 사람", ["한국", "사람"]),
        ("ไทย", [*"ไทย"]),
        ("cafe\u0301 n\u0303.", ["cafe\u0301", "n\u0303", "."]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("👩\u200d🚀 \ufe0f", ["👩\u200d", "🚀", "\ufe0f"]),
        ("\x00\u3000\u00a0", []),
        ("", []),
    ],
)
def test_words_as_literals(text, expected):
    assert cut(text) == expected


@given(texts=TEXTS)
def test_words_hold_all_that_is_visible(texts):
    for text in texts:
        ((starts,), (ends,)) = (x.to_list() for x in word_offsets(tf.constant([text])))
        assert starts == sorted(starts) and all(map(int.__lt__, starts, ends))
        assert all(a <= b for a, b in zip(ends, starts[1:], strict=False))
        inside = {i for a, b in zip(starts, ends, strict=True) for i in range(a, b)}
        for i, character in enumerate(text):
            if unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cc"):
                assert i in inside


@pytest.mark.parametrize("length", [4, 10])
@given(texts=TEXTS)
@example(texts=["a bc " * 30, "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b"])
def test_every_word_is_asked_about_once_at_its_first_token(length, texts):
    tokenizer = ByteTokenizer()
    rows = tagged_rows(tokenizer, tf.constant(texts), length)
    ids = rows.token_ids.to_list()
    assert all(len(row) <= length and (row[0], row[-1]) == (1, 2) for row in ids)
    asked = [
        row[place]
        for row, some in zip(ids, rows.places.to_list(), strict=True)
        for place in some
    ]
    wanted = [
        text[start].encode()[0] + 3
        for text, starts in zip(texts, rows.starts.to_list(), strict=True)
        for start in starts
    ]
    assert asked == wanted
    starts, ends = word_offsets(tf.constant(texts))
    assert rows.starts.to_list() == starts.to_list()
    assert rows.ends.to_list() == ends.to_list()


def test_windows_overlap_and_begin_at_words():
    text = " ".join(["abc"] * 40)
    rows = tagged_rows(ByteTokenizer(), tf.constant([text]), 34)
    ids, places = rows.token_ids.to_list(), rows.places.to_list()
    assert len(ids) == 7 and all(len(row) <= 34 for row in ids)
    # a word begins every fourth token; none is nearer to a cut than the others allow
    for i, (row, some) in enumerate(zip(ids, places, strict=True)):
        assert row[1:4] == [100, 101, 102]
        if i:
            assert min(some) >= 1 + 32 // 8 - 3
        if i < len(ids) - 1:
            assert max(some) + 3 <= len(row) - 1
    assert sum(map(len, places)) == 40


def test_words_with_a_common_token_are_one_and_lost_ones_none():
    tokenizer = tiny_words()
    rows = tagged_rows(tokenizer, tf.constant(["the \u200b cat", "\u200b"]), 16)
    assert rows.starts.to_list() == [[0, 6], []]
    assert rows.places.to_list() == [[1, 2], []]


def test_predicates_are_marked_and_seen():
    rows = tagged_rows(
        tiny_words(), tf.constant(["the unbelievable cat"]), 16, tf.constant([[4, 16]])
    )
    assert rows.segment_ids.to_list() == [[0, 0, 1, 1, 1, 0, 0]]
    assert rows.sees.to_list() == [[1, 1, 1]]
    far = tf.constant(["the " * 40 + "cat"]), 16, tf.constant([[160, 163]])
    rows = tagged_rows(tiny_words(), *far)
    marks = [sum(row) for row in rows.segment_ids.to_list()]
    assert marks[-1] == 1 and sum(marks) <= 2
    seen = np.array(rows.sees.to_list()[0])
    assert seen[-1] == 1 and seen[0] == 0

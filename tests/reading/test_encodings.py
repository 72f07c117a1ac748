"""Encodings: by their marks, by their names, and what is not valid in them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.reading.encodings import (
    as_utf8,
    decode,
    decode_line,
    encoding_of,
    valid,
)

WIDE = ["utf-16", "utf-32"]


@given(
    st.text(max_size=50), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])
)
def test_a_text_with_a_mark_is_what_was_written(text, encoding):
    text = text.replace("\ufeff", "").replace("\0", "")
    data = ("\ufeff" + text).encode() if encoding == "utf-8" else text.encode(encoding)
    assert decode(data) == (text, 0)
    if "\r" not in text:
        read = as_utf8(io.BytesIO(data)).read()
        assert decode_line(read) == (text, 0)


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_known_by_its_zeros(name):
    text = "plain words, as most files have them\n"
    assert decode(text.encode(name)) == (text, 0)
    assert as_utf8(io.BytesIO(text.encode(name))).read() == text.encode()


TEXTS = [
    "人工智能的发展正在改变我们的生活，许多人认为这也带来了新的问题。",
    "人工智慧的發展正在改變我們的生活，許多人認為這也帶來了新的問題。",
    "id,text\n1,苹果香蕉\n2,葡萄西瓜柠檬草莓樱桃菠萝芒果\n",
    "OpenAI 发布了新的 GPT-4 模型，性能更好。\n",
    "人工知能の研究は、急速に進んでいます。言語モデルは役に立つ。",
    "인공지능의 발전은 우리의 삶을 바꾸고 있습니다.\n",
    "Развитие искусственного интеллекта меняет нашу жизнь.\n",
    "id,text\n1,один\n2,два\n",
    "إن تطور الذكاء الاصطناعي يغير حياتنا.\n",
    "התפתחות הבינה המלאכותית משנה את חיינו.\n",
    "Η ανάπτυξη της τεχνητής νοημοσύνης αλλάζει τη ζωή μας.\n",
    "कृत्रिम बुद्धिमत्ता का विकास जीवन को बदल रहा है।\n",
    "การพัฒนาปัญญาประดิษฐ์กำลังเปลี่ยนชีวิต\n",
    "Sự phát triển của trí tuệ nhân tạo đang thay đổi cuộc sống.\n",
    "größer, schöner, weiter: für viele eine Übung\n",
    "plain words, as most files have them\n",
    "дом, 家\nмир, 世界\nкнига, 书\n",
]
WITHOUT_MARK = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
OTHERS = [
    *("utf-8", "gb18030", "gbk", "big5", "shift_jis", "euc-jp", "euc-kr", "latin-1"),
    *("cp1251", "koi8-r", "cp866", "cp1253", "cp1255", "cp1256", "tis-620", "cp1258"),
]


@pytest.mark.parametrize("name", WITHOUT_MARK)
@pytest.mark.parametrize("text", TEXTS)
def test_writing_is_known_without_a_mark(text, name):
    for times in (1, 500):
        data = (text * times).encode(name)
        assert decode(data) == (text * times, 0)
        assert as_utf8(io.BytesIO(data)).read().decode() == text * times
    assert encoding_of(data[:8191]) == name


def test_a_control_in_utf_16():
    data = "plain words, and an end\x1a".encode("utf-16-le")
    assert encoding_of(data) == "utf-16-le"
    assert encoding_of(data + b"\1\0" * 9) == "utf-8"


@pytest.mark.parametrize("text", TEXTS)
def test_other_encodings_are_not_taken_for_utf_16(text):
    for name in OTHERS:
        data = text.encode(name, "ignore")
        for some in (data, b"x" + data, data * 300, b"x" + data * 300, data + b"\0"):
            assert encoding_of(some) == "utf-8"
            assert encoding_of(some, name) == name


@pytest.mark.parametrize(
    "data",
    [
        b"hello\0world\0" * 50,
        b"/usr/bin\0/usr/lib/x.txt\0ab\0" * 50,
        "日本\0東京\0A\0".encode("shift_jis") * 50,
        "北京\0上海\0A\n".encode("gbk") * 50,
        b"1\t2\t3\n" * 40,
        "é\tà\t".encode("latin-1") * 40,
        "é\nà\n".encode("latin-1") * 40,
        bytes(range(256)) * 9,
        bytes(4096),
        np.arange(1, 4096, dtype="<u2").tobytes(),
        np.arange(1, 2048, dtype=">u4").tobytes(),
        np.random.default_rng(0).integers(1, 50_000, 4096).astype("<u2").tobytes(),
        np.random.default_rng(0).integers(1, 30_000, 2048).astype("<i4").tobytes(),
        np.random.default_rng(0).integers(1, 2000, 4096).astype(">u2").tobytes(),
        np.random.default_rng(0).normal(0, 800, 4096).astype("<i2").tobytes(),
        np.random.default_rng(0).normal(1100, 30, 4096).astype("<u2").tobytes(),
        np.random.default_rng(0).normal(size=2048).astype("<f4").tobytes(),
        np.random.default_rng(0).bytes(8192),
        np.random.default_rng(0).integers(1, 256, 8192).astype("u1").tobytes(),
    ],
)
def test_binary_data_are_not_taken_for_utf_16(data):
    for some in (data, data[:64], data[1:]):
        assert encoding_of(some) == "utf-8"


@given(st.data(), st.sampled_from(["gb18030", "shift_jis", "big5", "euc-kr"]))
def test_rare_characters_are_not_taken_for_utf_16(data, name):
    characters = st.characters(codec=name, exclude_characters="¥‾\u3164")
    text = data.draw(st.text(characters, min_size=8))
    if "\0" not in text:
        assert encoding_of(text.encode(name)) == "utf-8"


@pytest.mark.parametrize(
    ("data", "encoding", "text", "invalid"),
    [
        (b"\xff\xfea\0\x00\xd8b\0", "utf-8", "a\ufffdb", 1),  # half of a pair
        (b"\xff\xfea\0b", "utf-8", "a\ufffd", 1),  # cut in a unit
        ("für".encode("cp1252") + b"\x81", "cp1252", "für\ufffd", 1),
        ("中文".encode("gbk") + b"\xff!", "gbk", "中文\ufffd!", 1),
        ("あ".encode("iso2022_jp") * 3, "iso2022_jp", "あああ", 0),
        (b"a\xffb", "utf-8", "a\ufffdb", 1),
    ],
)
def test_what_is_not_valid_is_counted(data, encoding, text, invalid):
    assert decode_line(as_utf8(io.BytesIO(data), encoding).read()) == (text, invalid)


def test_line_ends_of_carriage_returns_alone():
    assert list(as_utf8(io.BytesIO(b"one\rtwo\r"))) == [b"one\n", b"two\n"]
    assert as_utf8(io.BytesIO(b"one\r\ntwo\rthree")).read() == b"one\r\ntwo\rthree"
    assert list(as_utf8(io.BytesIO("a\rb".encode("utf-32")))) == [b"a\n", b"b"]


@given(st.text(st.characters()))
def test_valid_text_stays_and_all_else_becomes_valid(text):
    found = valid(text)
    found.encode()
    halves = any("\ud800" <= character <= "\udfff" for character in text)
    assert (found == text) is not halves


def test_no_text_stays_none():
    assert valid(None) is None

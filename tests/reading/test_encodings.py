"""Encodings: by their marks, by their names, and what is not valid in them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.reading.encodings import as_utf8, decode, decode_line, valid

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

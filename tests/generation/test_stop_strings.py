"""Where texts are cut, beside a search of the whole text."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from massivetext_keras.generation import StopStrings

TEXTS = st.text("abc中\n.\ufffd", max_size=12)
STOPS = st.lists(st.text("abc中\n.", min_size=1, max_size=4), max_size=4)


def cut(text: str, stops) -> str:
    """Up to the earliest place where a string begins."""
    places = [text.find(stop) for stop in stops]
    return text[: min((place for place in places if place >= 0), default=None)]


@settings(max_examples=150, deadline=None)
@given(TEXTS, STOPS)
@example("xab", ["ab", "xa"])
@example("xab", ["xa", "ab"])
@example("abcz", ["b", "abcz"])
@example("a.b", ["."])
def test_texts_are_cut_where_the_first_string_begins(text, stops):
    for order in (stops, stops[::-1]):
        found = StopStrings.make(order).cut(tf.constant([text]))
        assert found.numpy()[0].decode() == cut(text, stops)


@settings(max_examples=80, deadline=None)
@given(TEXTS, STOPS, st.lists(st.integers(1, 4), min_size=12, max_size=12))
@example("abcz", ["b", "abcz"], [1] * 12)
@example("abca", ["b", "abcz"], [1] * 12)
@example("中中", ["中中"], [1] * 12)
def test_what_is_settled_is_settled_and_what_stops_stops(text, stops, sizes):
    """However the text comes in pieces."""
    stop, read, given_so_far = StopStrings.make(stops), "", ""
    for size in sizes:
        read = text[: len(read) + size]
        settled = stop.settled(tf.constant([read])).numpy()[0].decode()
        assert settled.startswith(given_so_far)
        assert cut(text, stops).startswith(settled)
        given_so_far = settled
        if stop.stops(tf.constant([read])).numpy()[0]:
            assert settled == cut(text, stops) != text
            return
    assert read == text


@pytest.mark.parametrize(
    ("stops", "text", "settled", "stops_now"),
    [
        (["ab", "xa"], "xab", "", True),
        (["a", "ab"], "xab", "x", True),  # one begins the other
        (["ab", "a"], "xa", "x", True),
        (["b", "abcz"], "ab", "", False),  # the longer one may still come
        (["b", "abcz"], "abd", "a", True),
        (["\\d.*"], "12", "12", False),  # no regular expressions
        (["\\d.*"], "1\\d.*", "1", True),
        (["a\0b"], "xa\0bc", "x", True),
        (["é"], "e\u0301é", "e\u0301", True),
        (["x"], "ab\ufffd", "ab", False),
        ([], "ab", "ab", False),
        (["ab" * 600], "x" + "ab" * 599, "x", False),
    ],
    ids=repr,
)
def test_literals(stops, text, settled, stops_now):
    stop, text = StopStrings.make(stops), tf.constant([text])
    assert stop.settled(text).numpy()[0].decode() == settled
    assert stop.stops(text).numpy().tolist() == [stops_now]
    assert bool(stop.is_any()) == bool(stops)


MANY = [f"<{i:04}>" + "ab" * 47 for i in range(1000)]


def test_a_thousand_long_strings():
    stop = StopStrings.make(MANY)
    texts = ["ab" * 99, f"x<0{MANY[500]}z", f"xab{MANY[999][:60]}", "é" + MANY[0]]
    cut, settled, stops = (x.numpy().tolist() for x in stop.look(tf.constant(texts)))
    assert cut == [b"ab" * 99, b"x<0", texts[2].encode(), "é".encode()]
    assert settled == [b"ab" * 99, b"x<0", b"xab", "é".encode()]
    assert stops == [False, True, False, True]


def test_texts_of_a_batch_are_apart():
    texts = tf.constant(["xa", "by", "", "ab"])
    found = [x.numpy().tolist() for x in StopStrings.make("ab").look(texts)]
    assert found == [
        [b"xa", b"by", b"", b""],
        [b"x", b"by", b"", b""],
        [False, False, False, True],
    ]


@pytest.mark.parametrize("strings", [b"ab", [b"ab"], "ab", tf.constant(["ab"])])
def test_strings_of_any_kind(strings):
    cut = StopStrings.make(strings).cut(tf.constant(["xab"]))
    assert cut.numpy().tolist() == [b"x"]
    both = StopStrings.make([b"\xc3\xa9", "b"]).cut(tf.constant(["xéb", "xb"]))
    assert both.numpy().tolist() == [b"x", b"x"]


def test_bad_strings():
    with pytest.raises(ValueError, match="a stop string is empty"):
        StopStrings.make(["a", ""])
    with pytest.raises(ValueError, match="a stop string is a string, got 1"):
        StopStrings.make([1])

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


def test_bad_strings():
    with pytest.raises(ValueError, match="a stop string is empty"):
        StopStrings.make(["a", ""])
    with pytest.raises(ValueError, match="a stop string is a string, got 1"):
        StopStrings.make([1])

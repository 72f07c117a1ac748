"""Pieces join to the text that `StopStrings` cuts, and hold back what it does not
settle."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from massivetext_keras.generation import StopStrings
from massivetext_keras.serving.engine.characters import Vocabulary
from massivetext_keras.serving.engine.clearing import Clearing
from massivetext_keras.serving.requests import Piece
from massivetext_keras.tokenizers import ByteTokenizer

VOCABULARY = Vocabulary(ByteTokenizer())
TEXTS = st.text("abc中\n.", max_size=12)
STOPS = st.lists(st.text("abc中\n.", min_size=1, max_size=4), max_size=4)


def ids(text: str) -> list[int]:
    return [3 + byte for byte in text.encode()]


def clearing(stop=(), scored: bool = False) -> Clearing:
    return Clearing(VOCABULARY.behind([70]), stop, scored)


@settings(max_examples=60, deadline=None)
@given(TEXTS, STOPS, st.lists(st.integers(1, 4), min_size=36, max_size=36))
@example("abcz", ["b", "abcz"], [1] * 36)
@example("abcabcz", ["b", "abcz"], [2] * 36)
@example("xab", ["ab", "xa"], [1] * 36)
@example("中中a", ["中中"], [1] * 36)
def test_pieces_are_settled_and_join_to_what_is_cut(text, stop, sizes):
    rules, tokens = StopStrings.make(stop), ids(text)
    watch, sent, place = clearing(stop), "", 0
    while place < len(tokens) and not watch.stopped:
        size = sizes.pop()
        some, place = tokens[place : place + size], place + size
        ended = place >= len(tokens)
        sent += watch.add(some, [0.0] * len(some), ended).text
        if not (ended or watch.stopped):
            so_far = bytes(token - 3 for token in tokens[:place]).decode(
                errors="replace"
            )
            settled = rules.settled(tf.constant([so_far])).numpy()[0].decode()
            assert sent == settled
    assert sent == rules.cut(tf.constant([text])).numpy()[0].decode()
    assert watch.stopped == (sent != text)


def test_tokens_come_with_their_text():
    watch = clearing(["\n\n"], scored=True)
    tokens = ids("é.\n")
    assert watch.add(tokens[:1], [-1.0], False) == Piece("", (198,), (-1.0,))
    assert watch.add(tokens[1:], [-2.0, -3.0, -4.0], False) == Piece(
        "é.", (172, 49), (-2.0, -3.0)
    )
    assert watch.add(ids("a\n"), [-5.0, -6.0], False) == Piece(
        "\na", (13, 100), (-4.0, -5.0)
    )
    assert watch.add(ids("\nb"), [-7.0, -8.0], False) == Piece("", (), ())
    assert watch.stopped and watch.count == 7


def test_what_ends_within_a_character_or_a_string():
    watch = clearing(["ab"])
    assert watch.add(ids("xa")[:2], [0.0, 0.0], False).text == "x"
    assert watch.add(ids("é")[:1], [0.0], True).text == "a\ufffd"
    assert not watch.stopped


@pytest.mark.parametrize("end", [False, True])
def test_a_string_that_another_one_begins(end):
    watch = clearing(["b", "abcz"])
    assert watch.add(ids("ab"), [0.0, 0.0], end).text == ("a" if end else "")
    assert watch.stopped == end

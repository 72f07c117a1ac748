"""Banned phrases, beside a search of the whole text at each step."""

from __future__ import annotations

import random

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation import BannedPhrases

LETTERS = "aAbBsſéÉ中K\u212a"
TOKENS = [
    *(letter.encode() for letter in LETTERS),
    *(b"", b"\xc3", b"\xa9", b"\xe4\xb8", b"\xad", b"\xff"),
    *("".join(x).encode() for x in ("ab", "sK", "éab", "中b", "bb")),
]


def has(text: bytes, phrases) -> bool:
    folded = text.decode("utf-8", "replace").casefold()
    return any(phrase.casefold() in folded for phrase in phrases)


@pytest.mark.parametrize("seed", range(40))
def test_a_token_is_banned_exactly_where_the_text_would_have_a_phrase(seed):
    choice = random.Random(seed)
    phrases = [
        "".join(choice.choices(LETTERS, k=choice.randint(1, 4)))
        for _ in range(choice.randint(1, 3))
    ]
    banned = BannedPhrases.make(phrases, TOKENS, len(TOKENS) + 1)
    state, text = tf.constant([0]), b""
    for _ in range(30):
        scores = banned.forbid(tf.zeros([1, len(TOKENS) + 1]), state)[0].numpy()
        wanted = [has(text + token, phrases) for token in [*TOKENS, b""]]
        assert (scores == -np.inf).tolist() == wanted, (phrases, text)
        token = choice.choice([i for i, bad in enumerate(wanted[:-1]) if not bad])
        text += TOKENS[token]
        state = banned.advance(state, tf.constant([token]))


def test_prompts_are_read_from_the_right_and_may_hold_a_phrase():
    tokens = [b"", b"a", b"b", b"c"]
    banned = BannedPhrases.make(["abc"], tokens, 4)
    prompts = tf.constant([[0, 1, 2, 3], [3, 3, 1, 2], [1, 2, 3, 1], [9, 9, 9, 2]])
    states = banned.read(tf.minimum(prompts, 3), tf.constant([1, 0, 0, 3]))
    scores = banned.forbid(tf.zeros([4, 4]), states).numpy()
    assert np.argwhere(scores == -np.inf).tolist() == [[1, 3]]


def test_sharp_s_is_two_of_them():
    tokens = [b"", b"s", "ß".encode(), b"S"]
    banned = BannedPhrases.make(["Maß"], [*tokens, b"ma"], 5)
    states = banned.advance(tf.constant([0]), tf.constant([4]))
    assert banned.forbid(tf.zeros([1, 5]), states)[0].numpy()[2] == -np.inf
    states = banned.advance(states, tf.constant([3]))
    assert (banned.forbid(tf.zeros([1, 5]), states)[0].numpy() == -np.inf).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_bad_phrases():
    with pytest.raises(ValueError, match="a banned phrase is empty"):
        BannedPhrases.make(["a", ""], [b"a"], 1)
    with pytest.raises(ValueError, match="leave no token"):
        BannedPhrases.make(["a", "b"], [b"a", b"b"], 2)


def test_tables_of_other_phrases_have_the_same_sizes():
    tokens = [b"", *(bytes([i]) for i in range(97, 123))]
    shapes = {
        tuple(BannedPhrases.make([phrase], tokens, 27).table.shape)
        for phrase in ("a", "abracadabra", "a phrase of quite some length, with words")
    }
    assert shapes == {(64, 64)}

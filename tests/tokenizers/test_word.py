"""Whole words as tokens, and their spelling."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.tokenizers import Tokenizer, WordTokenizer
from massivetext_keras.tokenizers.word import SPELLING

WORDS = ["<pad>", "<unk>", "the", "café", "'", "s"]


@pytest.fixture(scope="module")
def spelling():
    return WordTokenizer.train(texts=["The sun, the SUN"], split="spaces", spelled=True)


def test_literal_ids():
    tokenizer = WordTokenizer(WORDS)
    assert tokenizer(["THE Café's", "", " \n", "the-end"]).to_list() == [
        *([2, 3, 4, 5], [], []),
        [2, 1, 1],
    ]
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id) == (0, 1, None)
    cased = WordTokenizer(WORDS, lowercase=False, split="spaces")
    assert cased(["The the café's"]).to_list() == [[1, 2, 1]]


def test_the_bytes_of_a_word_follow_it_in_their_case(spelling):
    # <pad>, <unk>, 256 bytes, "sun" before "sun,": the same count, and shorter
    assert [spelling.id_to_token(i) for i in range(258, 261)] == ["the", "sun", "sun,"]
    ids = spelling(["Sun é", ""]).to_list()
    assert ids == [
        [259, *(b + 2 for b in b"Sun"), 1, *(b + 2 for b in "é".encode())],
        [],
    ]
    assert spelling.detokenize(ids).numpy().tolist() == ["Sun é".encode(), b""]
    long = spelling(["x" * 100]).to_list()[0]
    assert long == [1] + [ord("x") + 2] * 32
    begins = spelling.begins_word()
    assert begins[1] and begins[258] and not any(begins[2:258])


def test_offsets_are_those_of_words(spelling):
    ids, starts, ends = spelling.tokenize_with_offsets(["ça the"])
    assert ids.to_list()[0][4:5] == [258]
    assert starts.to_list() == [[0] * 4 + [3] * 4]
    assert ends.to_list() == [[2] * 4 + [6] * 4]


@given(st.text())
def test_any_text_is_read_and_its_offsets_are_in_it(spelling, text):
    text = text.encode("utf-8", "replace").decode()
    ids, starts, ends = spelling.tokenize_with_offsets(text)
    assert ids.numpy().tolist() == spelling(text).numpy().tolist()
    places = np.stack([starts, ends])
    assert ((places >= 0) & (places <= len(text))).all()
    assert (places[0] < places[1]).all()


def test_training_counts_words():
    texts = ["b a a", "b A c", "<unk>"]
    tokenizer = WordTokenizer.train(texts=texts, min_frequency=2, split="spaces")
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size)]
    assert tokens == ["<pad>", "<unk>", "a", "b"]
    assert WordTokenizer.train(texts=texts, vocabulary_size=3).vocabulary_size == 3


@pytest.mark.parametrize("spelled", [False, True])
def test_files_and_graphs(tmp_path, spelled):
    tokenizer = WordTokenizer.train(texts=["the sun\x0b"], spelled=spelled)
    tokenizer.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    config = WordTokenizer.from_config(tokenizer.get_config())
    expected = tokenizer(["The moon"]).to_list()
    found = tf.function(again.tokenize)(tf.constant(["The moon"])).to_list()
    assert found == expected == config(["The moon"]).to_list()


def test_wrong_vocabularies():
    with pytest.raises(ValueError, match="'<unk>' is not in the vocabulary"):
        WordTokenizer(["<pad>", "a"])
    with pytest.raises(ValueError, match="the token 'a' occurs twice"):
        WordTokenizer([*WORDS, "a", "a"])
    with pytest.raises(ValueError, match="ids 2 to 257 of a tokenizer that spells"):
        WordTokenizer(WORDS, spelled=True)
    with pytest.raises(ValueError, match="unknown split 'space': did you mean"):
        WordTokenizer(WORDS, split="space")
    assert WordTokenizer([*WORDS[:2], *SPELLING], spelled=True).vocabulary_size == 258

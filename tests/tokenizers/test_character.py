"""Characters as tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.tokenizers import CharacterTokenizer

VOCABULARY = {"<pad>": 0, "😀": 1, "<unk>": 2, "b": 3, "\n": 4, "<eos>": 5, "a": 6}


@pytest.fixture(scope="module")
def tokenizer():
    return CharacterTokenizer(VOCABULARY, pad_token="<pad>", eos_token="<eos>")


def test_literal_ids(tokenizer):
    rows = tokenizer(["ab😀\nc\U0010ffff", "<pad>"]).to_list()
    assert rows == [[6, 3, 1, 4, 2, 2], [2, 2, 6, 2, 2]]
    assert tokenizer.special_ids == (0, 5) and tokenizer.bos_id is None


@given(st.text())
def test_known_characters_come_back_and_others_are_replaced(tokenizer, text):
    expected = "".join(c if c in VOCABULARY else "\ufffd" for c in text)
    assert tokenizer.detokenize(tokenizer(text)).numpy().decode() == expected


def test_train_takes_every_character():
    tokenizer = CharacterTokenizer.train(texts=["bé", "a\nb"])
    named = ["<pad>", "<unk>", "<bos>", "<eos>"]
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.vocabulary_size)]
    assert tokens == [*named, "\n", "a", "b", "é"]
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (2, 3)


def test_wrong_vocabularies():
    with pytest.raises(ValueError, match="need the ids 0 to 1, and 1 is missing"):
        CharacterTokenizer({"<unk>": 0, "a": 2})
    with pytest.raises(ValueError, match="the token 'a' occurs twice"):
        CharacterTokenizer(["<unk>", "a", "a"])
    with pytest.raises(ValueError, match="unk_token: '<unk>' is not in the vocabulary"):
        CharacterTokenizer(["a"])

"""A config picks the class and its settings."""

from __future__ import annotations

import keras
import pytest

from massivetext_keras import tokenizers
from massivetext_keras.experiment import TOKENIZERS, TokenizerConfig
from massivetext_keras.tokenizers import training

TEXTS = ["the cat sat on the mat, the dog sat on the log.\n"] * 20


@pytest.mark.parametrize(
    "kind, name, size",
    [
        ("bytes", "ByteTokenizer", 259),
        ("sentencepiece", "SentencePieceTokenizer", 290),
        ("wordpiece", "WordPieceTokenizer", 30),
        ("byte_pair", "BytePairTokenizer", 262),
        ("words", "WordTokenizer", 11),
    ],
)
def test_kinds(kind, name, size):
    if kind in ("wordpiece", "byte_pair"):
        pytest.importorskip("tokenizers")
    config = TokenizerConfig(kind=kind, vocabulary_size=size)
    tokenizer = training.train(config, TEXTS)
    assert type(tokenizer).__name__ == name
    assert tokenizer.vocabulary_size == size
    text = "the cat sat on the log"
    assert tokenizer.detokenize(tokenizer([text])).numpy()[0].decode() == text


def test_bytes_ignore_the_size_of_the_vocabulary():
    config = TokenizerConfig(kind="bytes", vocabulary_size=8192)
    assert training.train(config, []).vocabulary_size == 259


def test_texts_may_be_an_iterator_and_equal_texts_give_equal_vocabularies():
    config = TokenizerConfig(vocabulary_size=290)
    first = training.train(config, iter(TEXTS))
    assert first.fingerprint == training.train(config, TEXTS).fingerprint
    other = TokenizerConfig(vocabulary_size=289)
    assert first.fingerprint != training.train(other, TEXTS).fingerprint


def test_the_model_type_reaches_sentencepiece(monkeypatch):
    given = {}

    def train(**options):
        given.update(options)

    monkeypatch.setattr(tokenizers.SentencePieceTokenizer, "train", train)
    config = TokenizerConfig(vocabulary_size=300, model_type="unigram")
    training.train(config, ["text"])
    assert given == {
        "texts": ["text"],
        "vocabulary_size": 300,
        "model_type": "unigram",
    }


def test_an_unknown_kind_names_the_nearest():
    message = "^TokenizerConfig.kind='wordpeice': did you mean 'wordpiece'[?]$"
    with pytest.raises(ValueError, match=message):
        TokenizerConfig(kind="wordpeice")
    assert set(training.KINDS) == set(TOKENIZERS)
    for kind in training.KINDS:  # a kind of the config is one that can be trained
        assert TokenizerConfig(kind=kind).kind == kind


def test_too_large_a_vocabulary_names_the_largest():
    config = TokenizerConfig(vocabulary_size=5000)
    with pytest.raises(ValueError, match=r"at most \d+") as error:
        training.train(config, TEXTS)
    largest = int(str(error.value).split("at most ")[1].split(";")[0])
    config = TokenizerConfig(vocabulary_size=largest)
    assert training.train(config, TEXTS).vocabulary_size == largest


def test_a_vocabulary_outlives_the_seeding_of_a_run():
    # Seeding clears the kernels of the process, and with them what they own.
    tokenizer = training.train(TokenizerConfig(vocabulary_size=290), TEXTS)
    before = tokenizer(["the cat"]).to_list()
    keras.utils.set_random_seed(0)
    assert tokenizer(["the cat"]).to_list() == before


def test_words_are_cut_and_spelled_as_the_config_says():
    config = TokenizerConfig("words", split="spaces", spelled=True)
    tokenizer = training.train(config, ["log. Log.", "log"])
    assert tokenizer(["log."]).to_list() == [[258, *(byte + 2 for byte in b"log.")]]

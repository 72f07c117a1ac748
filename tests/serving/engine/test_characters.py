"""Characters behind a prompt are those that `Prompts.continued` reads."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.generation.texts import Prompts
from massivetext_keras.serving.engine.characters import Vocabulary
from massivetext_keras.tokenizers import (
    BytePairTokenizer,
    ByteTokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
)

TEXT = "Once upon a time, 中文 text: über alles 🙂.\n" * 9


@pytest.fixture(scope="module")
def tokenizers():
    pieces = {"texts": [TEXT], "vocabulary_size": 300}
    return {
        "byte": ByteTokenizer(),
        "byte_pair": BytePairTokenizer.train(**pieces),
        "sentencepiece": SentencePieceTokenizer.train(**pieces),
        "wordpiece": WordPieceTokenizer.train(texts=[TEXT], vocabulary_size=60),
    }


@pytest.mark.parametrize("name", ["byte", "byte_pair", "sentencepiece", "wordpiece"])
@pytest.mark.parametrize("begun", [True, False])
def test_random_tokens(tokenizers, name, begun):
    tokenizer, random = tokenizers[name], np.random.default_rng(0)
    vocabulary = Vocabulary(tokenizer)
    prompt = tokenizer.tokenize("Once").numpy().tolist() if begun else []
    prompt = prompt or [tokenizer.special_ids[-1]]
    rows = tf.ragged.constant([prompt], dtype=tf.int32)
    prompts = Prompts.make(tokenizer, rows, tf.constant(99))
    for _ in range(12):
        new = random.integers(0, tokenizer.vocabulary_size, 12).tolist()
        characters, found, place = vocabulary.behind(prompt), "", 0
        while place < len(new):
            size = int(random.integers(1, 5))
            found += "".join(characters.of(new[place : place + size]))
            place += size
        found += characters.rest()
        whole = tf.ragged.constant([new], dtype=tf.int32)
        right = prompts.continued(tokenizer, whole).numpy()[0].decode()
        assert found == right

"""Small tokenizers of every type, trained on a few lines."""

from __future__ import annotations

import json

import pytest

from massivetext_keras import tokenizers as mt

LINES = [
    "The cat sat on the mat, and the cat's hat sat on the other mat.",
    "A naïve café owner can't say: the hats weren't there; 12 cats sat on 345 mats!",
    "   indented\twith tabs,  two  spaces and 日本語の文章 😀 at the end   ",
] * 5


@pytest.fixture(scope="session")
def lines() -> list[str]:
    return LINES


@pytest.fixture(scope="session")
def all_tokenizers() -> dict[str, mt.Tokenizer]:
    named = {"bos_token": "<bos>", "add_bos": True}
    return {
        "byte": mt.ByteTokenizer(add_bos=True, add_eos=True),
        "character": mt.CharacterTokenizer(
            ["<unk>", "<bos>", *sorted(set("".join(LINES)))], **named
        ),
        "byte_pair": mt.BytePairTokenizer.train(texts=LINES, vocabulary_size=400),
        "sentencepiece": mt.SentencePieceTokenizer.train(
            texts=LINES, vocabulary_size=350
        ),
        "unigram": mt.SentencePieceTokenizer.train(
            texts=LINES, vocabulary_size=320, model_type="unigram", add_eos=True
        ),
        "wordpiece": mt.WordPieceTokenizer.train(
            texts=LINES, vocabulary_size=120, lowercase=False
        ),
    }


@pytest.fixture(scope="session")
def naughty(data_dir) -> list[str]:
    return json.loads((data_dir / "bad" / "naughty_strings.json").read_text())


@pytest.fixture(scope="session")
def wikitext(data_dir) -> list[str]:
    path = data_dir / "lm" / "wikitext2_valid.raw.txt"
    return path.read_text(encoding="utf-8").split("\n")

"""Documents become ids, several at a time and in order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from massivetext_keras.data import encode_documents, encoded_documents
from massivetext_keras.text import documents
from massivetext_keras.tokenizers import ByteTokenizer, CharacterTokenizer


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (ByteTokenizer(), [100, 101, 2, 2, 198, 172, 2]),
        (ByteTokenizer(add_bos=True), [1, 100, 101, 2, 1, 2, 1, 198, 172, 2]),
        (ByteTokenizer(add_eos=True), [100, 101, 2, 2, 198, 172, 2]),
        (CharacterTokenizer(["<unk>", "a", "b"]), [1, 2, 0]),
    ],
)
def test_documents_become_one_row(tokenizer, expected):
    row = encode_documents(tokenizer, ["ab", "", "é"])
    assert (row.tolist(), row.dtype) == (expected, np.int32)


def test_many_documents_keep_their_order():
    texts = [chr(ord("a") + i % 26) * (i % 5) for i in range(150)]
    row = encode_documents(ByteTokenizer(), texts).tolist()
    assert row == [id for text in texts for id in [*(ord(c) + 3 for c in text), 2]]


def test_no_more_are_read_than_are_worked_on(monkeypatch):
    monkeypatch.setattr(documents, "_CHARACTERS_AT_ONCE", 4)
    monkeypatch.setattr(documents.os, "cpu_count", lambda: 3)
    read = itertools.count()
    texts = (chr(ord("a") + next(read)) * 2 for _ in range(26))
    some = encoded_documents(ByteTokenizer(), texts)
    assert [row.tolist() for row in next(some)] == [[100, 100, 2], [101, 101, 2]]
    assert next(read) == 2 * 7  # two in each call, one call done and six waiting
    assert sum(map(len, some)) == 24


def test_an_error_of_the_reader_is_passed_on():
    def texts():
        yield "a"
        raise ValueError("line 7")

    with pytest.raises(ValueError, match="^line 7$"):
        list(encoded_documents(ByteTokenizer(), texts()))

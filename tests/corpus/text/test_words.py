"""Words, lines and paragraphs of batches, and their hashes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext_keras.corpus.batch import Batch
from massivetext_keras.corpus.text.words import folded_words, words
from massivetext_keras.reading.document import Document


def batch_of(*texts: str) -> Batch:
    return Batch(Document(text) for text in texts)


SPACED = st.text(
    st.one_of(
        st.sampled_from(list("ab \n\t\r\x1c\x85\xa0\u2003\u3000ß한국é#\0\ud800")),
        st.characters(max_codepoint=0x5FF),
    ),
    max_size=60,
)
MIXED = st.text(st.sampled_from(list("aB .\n中文かค้าྱ한，。”1")), max_size=40)


@settings(max_examples=200)
@given(st.lists(SPACED, max_size=5))
def test_spaced_words_are_those_of_split(texts):
    found = words(batch_of(*texts))
    assert found.tokens == [word for text in texts for word in text.split()]
    assert found.counts.tolist() == [len(text.split()) for text in texts]
    assert [
        found.text[start:end]
        for start, end in zip(found.starts, found.ends, strict=True)
    ] == found.tokens
    assert found.lengths.tolist() == [len(word) for word in found.tokens]
    assert found.is_alphabetic.tolist() == [
        any(map(str.isalpha, word)) for word in found.tokens
    ]


@settings(max_examples=200)
@given(st.lists(MIXED, min_size=1, max_size=5))
def test_a_batch_is_its_documents_alone(texts):
    together = words(batch_of(*texts))
    alone = [words(batch_of(text)) for text in texts]
    assert together.tokens == [word for found in alone for word in found.tokens]
    for view in (
        *("hashes", "lines.hashes", "lines.is_repeat", "paragraphs.hashes"),
        *("unspaced_share", "ends_sentence"),
    ):
        gathered = [_get(found, view) for found in alone]
        assert _get(together, view).tolist() == np.concatenate(gathered).tolist()
    hashes, offsets = together.ngrams(3)
    assert hashes.tolist() == [h for one in alone for h in one.ngrams(3)[0].tolist()]
    assert np.diff(offsets).tolist() == [max(len(one.tokens) - 2, 0) for one in alone]


def _get(found, path):
    for name in path.split("."):
        found = getattr(found, name)
    return found


@settings(max_examples=200)
@given(st.lists(MIXED, max_size=5))
def test_hashes_are_equal_where_words_are(texts):
    found = words(batch_of(*texts))
    by_word: dict[str, set[int]] = {}
    for word, value in zip(found.tokens, found.hashes.tolist(), strict=True):
        by_word.setdefault(word, set()).add(value)
    assert all(len(values) == 1 for values in by_word.values())
    assert len(set.union(set(), *by_word.values())) == len(by_word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱你", ["我", "爱", "你"]),
        (
            "用Python编程，2024年。",
            ["用", "Python", "编", "程", "，", "2024", "年", "。"],
        ),
        ("カタカナと平仮名", list("カタカナと平仮名")),
        ("한국어 문장", ["한국어", "문장"]),
        ("น้ำดี", ["น้", "ำ", "ดี"]),
        ("don't stop-word", ["don't", "stop-word"]),
        ("Größe über Maß", ["Größe", "über", "Maß"]),
        ("中", ["中"]),
        ("", []),
        (" \n ", []),
        ("中 文\u3000字", ["中", "文", "字"]),
    ],
)
def test_words_of_scripts(text, expected):
    assert words(batch_of(text)).tokens == expected
    assert words(batch_of("before", text, "after")).tokens[1:-1] == expected


def test_unspaced_share():
    found = words(
        batch_of("plain English 123", "中文abc 12", "中文，字。", "12 34", "")
    )
    assert found.unspaced_share.tolist() == [0, 2 / 5, 1, 0, 0]


def test_lines_and_paragraphs():
    found = words(batch_of("a b\n  c \n\nd\n", "", "\n \n e\n \n\nf  g", "h"))
    assert found.lines.texts == ["a b", "c", "d", "e", "f  g", "h"]
    assert found.lines.offsets.tolist() == [0, 3, 3, 5, 6]
    assert found.lines.lengths.tolist() == [3, 1, 1, 1, 4, 1]
    assert found.paragraphs.texts == ["a b\n  c", "d", "e", "f  g", "h"]
    assert found.paragraphs.counts.tolist() == [2, 0, 2, 1]
    same = words(batch_of("f g\nf   g\ng f")).lines.hashes
    assert same[0] == same[1] == found.lines.hashes[4] != same[2]
    assert found.lines.sums(found.lines.lengths).tolist() == [5, 0, 5, 1]


def test_no_documents():
    found = words(Batch([]))
    assert (found.tokens, found.counts.tolist(), found.lines.texts) == ([], [], [])
    assert found.ngrams(2)[1].tolist() == [0]


def test_hashes_are_the_same_in_another_process():
    # Literal: a hash that changes would change the survivors of deduplication.
    code = (
        "from massivetext_keras.corpus.batch import Batch;"
        "from massivetext_keras.reading.document import Document;"
        "from massivetext_keras.corpus.text.words import words;"
        "print([hex(h) for h in words(Batch([Document('to be 中')])).hashes.tolist()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    here = [hex(h) for h in words(batch_of("to be 中")).hashes.tolist()]
    assert eval(done.stdout) == here
    assert here == ["0xa45a5c1f6616c23c", "0x7919008465b68977", "0x60e3bd26dae6516d"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", 3),
        ('"Is it?" he asked. (It was.) Yes', 2),
        ("He met J. Smith, e.g. there, i.e. here.", 1),
        ("so it was.\nand so it is.", 2),
        ("z. B. hier. Dort", 1),
        ("你好。真的吗？！“是的。”他说。", 4),
        ("他来了。Python 3很好。", 2),
        ("他想……后来走了。", 2),
        ("3.5 and example.org", 0),
        ("(One) “Two” Three's “", 0),
        ("", 0),
    ],
)
def test_sentences(text, sentences):
    for batch in (batch_of(text), batch_of("x.", text, "y.")):
        found = words(batch)
        counts = found.sums(found.ends_sentence).tolist()
        assert counts[len(batch) // 2] == sentences


def test_folded_words_of_mixed_scripts():
    found = folded_words(
        batch_of("Hello, WORLD! Straße_2", "“中文”。X-Ray", "...", "Ünï")
    )
    first = ["hello", "world", "strasse", "2"]
    assert found.tokens == [*first, *"中文", "x", "ray", "ünï"]
    assert found.counts.tolist() == [4, 4, 0, 1]
    assert found.hashes[0] == words(batch_of("hello")).hashes[0]

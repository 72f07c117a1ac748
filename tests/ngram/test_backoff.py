"""Counting, estimation and files: equal to KenLM's programs, in bounded memory."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.ngram.arpa import SPECIAL, read_arpa
from massivetext_keras.ngram.binary import read_binary, write_binary
from massivetext_keras.ngram.counting import BEGIN, END, UNKNOWN, count
from massivetext_keras.ngram.estimation import estimate
from massivetext_keras.ngram.scratch import Scratch
from massivetext_keras.ngram.tables import NEVER, BackoffModel
from massivetext_keras.tasks.ngram.task import NgramLM

SIZE = 6
sequences = st.lists(
    st.lists(st.integers(3, SIZE - 1), min_size=1, max_size=12), min_size=1, max_size=8
)


def lines() -> list[str]:
    """Lines of words whose frequencies fall as those of real ones do."""
    chance = random.Random(0)
    return [
        " ".join(
            f"w{int(chance.paretovariate(0.9))}" for _ in range(chance.randrange(1, 9))
        )
        for _ in range(400)
    ]


@pytest.fixture(scope="module")
def lm():
    return NgramLM(3, "spaced").fit(lines())


@pytest.fixture
def arpa(lm, tmp_path):
    lm.save(tmp_path / "model.arpa")
    return tmp_path / "model.arpa"


def rows(sequences) -> np.ndarray:
    return np.array([x for row in sequences for x in (BEGIN, *row, END)])


# `lmplz -o 3` of KenLM on the lines above: log10 p and backoff.
LMPLZ = {
    "<unk>": (-2.6245222, 0),
    "</s>": (-0.99766916, 0),
    "w1": (-0.82348484, -0.8419126),
    "w7": (-1.6051962, -0.5263499),
    "w2 </s>": (-0.8177057, 0),
    "<s> w1": (-0.35259333, -0.7561915),
    "w1 w1": (-0.81066906, -0.9259808),
    "w1 w3 </s>": (-0.46465707, None),
    "<s> w1 w1": (-0.42042115, None),
    "w1 w2 w1": (-0.38490653, None),
}
# `kenlm.Model.score`, `.perplexity` and the lengths of `.full_scores`
KENLM = {
    "w1 w1 w2 w4": (-3.6011171340942383, 5.250775217705719, [2, 3, 3, 3, 3]),
    "w2 unknown w1 w3": (-7.073149681091309, 25.97944902192033, [2, 1, 1, 2, 3]),
    "w1": (-1.1527209281921387, 3.7701659264740486, [2, 3]),
    "w9 w1 w77 w8 w1": (-8.669962882995605, 27.860814829098036, [2, 3, 1, 1, 2, 3]),
}


def test_probabilities_are_those_of_lmplz(lm, arpa):
    written = {}
    for line in arpa.read_text().splitlines():
        if line.count("\t"):
            value, gram, *backoff = line.split("\t")
            written[gram] = float(value), float(backoff[0]) if backoff else None
    assert [len(table.keys) for table in lm.model.tables] == [93, 383, 744]
    for gram, expected in LMPLZ.items():
        assert written[gram] == pytest.approx(expected, abs=2e-6), gram


@pytest.mark.parametrize("text", KENLM)
def test_scores_are_those_of_kenlm(lm, text):
    score, perplexity, lengths = KENLM[text]
    assert lm.score(text) / np.log(10) == pytest.approx(score, abs=1e-5)
    assert lm.perplexity(text) == pytest.approx(perplexity, rel=1e-5)
    (ids,) = lm.ids(text)
    assert lm.model.score(ids)[1][1:].tolist() == lengths


@given(sequences, st.integers(1, 4), st.integers(2, 9))
def test_counts_are_those_of_a_dictionary_in_any_memory(texts, order, chunk):
    stream = rows(texts)
    expected = [Counter() for _ in range(order)]
    for row in texts:
        row = (BEGIN, *row, END)
        for end in range(1, len(row) + 1):
            for length in range(1, min(order, end) + 1):
                expected[length - 1][row[end - length : end]] += 1
    for scratch in (Scratch(1000), Scratch(chunk)):
        levels = count(stream, SIZE, order, scratch)
        grams = [(word,) for word in range(SIZE)]
        for length, level in enumerate(levels, start=1):
            if length > 1:
                shorter = grams
                grams = [(*shorter[key // SIZE], int(key % SIZE)) for key in level.keys]
                suffixes = [shorter[place] for place in level.suffixes]
                assert suffixes == [gram[1:] for gram in grams]
            counted = dict(zip(grams, level.counts.tolist(), strict=True))
            found = {gram: number for gram, number in counted.items() if number}
            assert found == dict(expected[length - 1])
            assert np.all(np.diff(level.keys) > 0)


@given(sequences, st.lists(st.integers(0, SIZE - 1), max_size=4), st.integers(1, 4))
def test_probabilities_sum_to_one(texts, context, order):
    levels = count(rows(texts), SIZE, order, Scratch(100))
    model = BackoffModel(estimate(levels, Scratch(100)))
    context = [BEGIN, *(word for word in context if word != BEGIN)]
    found = 10.0 ** model.next_words(context)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    each = [model.score(np.array([*context, word]))[0][-1] for word in range(SIZE)]
    each[BEGIN] = NEVER
    np.testing.assert_allclose(found, 10.0 ** np.array(each), rtol=1e-5)


def test_files_on_the_disk_give_the_same_model(lm, tmp_path):
    _, pieces = lm._read(lines(), Scratch(50, tmp_path), lambda tokens: None)
    stream = np.concatenate([lm.ids(line)[0] for line in lines()])
    scratch = Scratch(50, tmp_path)
    tables = estimate(count(stream, len(pieces), 3, scratch), scratch)
    assert isinstance(tables[2].keys, np.memmap)
    assert list(tmp_path.iterdir()) == []  # its files have no names
    for found, expected in zip(tables, lm.model.tables, strict=True):
        np.testing.assert_array_equal(found.keys, expected.keys)
        np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-6)
        np.testing.assert_allclose(found.backoff, expected.backoff, atol=1e-6)


def test_both_kinds_of_file_come_back(lm, arpa, tmp_path):
    write_binary(tmp_path / "model.bin", lm.model, lm.vocabulary, {"units": "spaced"})
    binary, words, about = read_binary(tmp_path / "model.bin")
    text, again, comment = read_arpa(arpa)
    assert words == again == lm.vocabulary
    assert about == {"units": "spaced"} and comment == "units=spaced"
    for model in (binary, text):
        for found, expected in zip(model.tables, lm.model.tables, strict=True):
            np.testing.assert_array_equal(found.keys, expected.keys)
            np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-6)
            np.testing.assert_allclose(found.backoff, expected.backoff, rtol=1e-6)


FOREIGN = """
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-0.5 b -0.2
-99 <s> -0.3
-0.9 </s>
-0.4 a

\\2-grams:
-0.1 b a
-0.7 <s> b
\\end\\
"""


def test_an_arpa_file_of_another_program(tmp_path):
    # words in any order, spaces for tabs, no <unk>, backoffs left out
    path = tmp_path / "foreign.arpa"
    path.write_text(FOREIGN)
    lm = NgramLM.load(path)
    assert lm.vocabulary == [*SPECIAL, "b", "a"]
    log10 = lm.score(["b a", "a", "c b"]) / np.log(10)
    assert log10 == pytest.approx([-0.7 - 0.1 - 0.9, -0.3 - 0.4 - 0.9, -101.9])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", r":2: 'data' where \\data\\ should be"),
        ("ngram 2=2", "ngram 3=2", ":4: ngram 3 where 2 should be"),
        ("-0.4 a\n", "", r":10: an empty line where a number and the 1 words"),
        ("-0.4 a\n", "-0.4 b\n", ":10: 'b' was there before"),
        ("-0.1 b a", "-0.1 b c", ":13: the word 'c' is no 1-gram"),
        ("-0.1 b a", "-0.1 b a a a", ":13: '-0.1 b a a a' where a number and the 2"),
        ("-0.1 b a", "-0,1 b a", ":13: '-0,1' is no number"),
        ("-0.7 <s> b", "-0.7 b a", ":14: this 2-gram was there before"),
        ("\\2-grams:", "\\3-grams:", r":12: '\\\\3-grams:' where \\2-grams: should"),
        ("-0.7 <s> b\n\\end\\\n", "", ":13: the file ends here: of its 2-grams 1 or"),
        ("\\end\\\n", "", ":14: the file ends here: it is cut"),
    ],
)
def test_damaged_arpa_files(tmp_path, old, new, message):
    path = tmp_path / "bad.arpa"
    path.write_text(FOREIGN.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_arpa(path)


def test_an_ngram_without_its_beginning(tmp_path):
    path = tmp_path / "bad.arpa"
    text = FOREIGN.replace("ngram 2=2\n", "ngram 2=2\nngram 3=1\n")
    path.write_text(text.replace("\\end\\", "\n\\3-grams:\n-0.1 a b a\n\\end\\"))
    with pytest.raises(
        ValueError, match=r":18: 'a b a' is there, but its beginning 'a b'"
    ):
        read_arpa(path)


def test_damaged_binary_files(lm, tmp_path):
    path = tmp_path / "model.bin"
    lm.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(ValueError, match="should be: it is cut"):
        read_binary(path)
    path.write_bytes(b"\x10\0\0\0\0\0\0\0hello")
    with pytest.raises(ValueError, match="neither an ARPA file nor"):
        read_binary(path)
    with pytest.raises(FileNotFoundError):
        NgramLM.load(tmp_path / "none.bin")


def test_brown_is_predicted_as_by_kenlm(data_dir):
    # `lmplz -o 3` on the first 50,000 lines with text, and kenlm's mean log10 of a
    # word or end on the rest; UNKNOWN is what this vocabulary lacks.
    text = (data_dir / "lm/brown.txt").read_text()
    kept = [line for line in text.split("\n") if line.strip()]
    lm = NgramLM(3, "spaced").fit(kept[:50_000])
    found = lm.evaluate(kept[50_000:])
    assert found["perplexity"] == pytest.approx(BROWN, rel=1e-4)
    assert lm.ids("the xyzzy")[0].tolist()[2] == UNKNOWN


BROWN = 290.6690203261653

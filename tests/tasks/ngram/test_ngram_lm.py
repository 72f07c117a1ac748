"""n-gram models of texts: units, answers, exports, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.tasks import NgramLM
from massivetext_keras.tasks.ngram.units import UNITS, units_named
from massivetext_keras.tokenizers import ByteTokenizer

TEXTS = [
    "the cat sat on the mat\n\nthe dog sat",
    "Ein Haus und ein Hund.\nZwei Häuser",
    "今天天气很好。\n我们去公园 walk",
    "ก็กี่ 日本の <unk> <s> x",
]


@pytest.mark.parametrize(
    ("units", "text", "pieces"),
    [
        ("words", "Zwei Häuser, 北京。ok", ["Zwei", "Häuser,", "北", "京", "。ok"]),
        ("words", "กี่ <s> a\tb", ["ก", "ี่", "a", "b"]),
        ("spaced", "北京 ist\xa0gross </s>", ["北京", "ist\xa0gross"]),
        ("characters", "ä 北", ["ä", " ", "北"]),
        ("bytes", "ä ", ["\xc3", "\xa4", " "]),
    ],
)
def test_units(units, text, pieces):
    cut = units_named(units)
    encoding = "latin-1" if units == "bytes" else "utf-8"
    found = [piece.decode(encoding) for piece in cut.split(text)]
    if text.startswith("กี่"):  # a letter of Thai has its marks
        pieces = ["กี่", "a", "b"]
    assert found == pieces
    names = [cut.name_of(piece) for piece in cut.split(text)]
    assert [cut.piece_of(name) for name in names] == cut.split(text)
    assert not any(name != name.strip() or " " in name for name in names)


@pytest.mark.parametrize("units", UNITS)
def test_graphs_cut_as_python_does(units):
    cut = units_named(units)
    lines = [line for text in TEXTS for line in cut.sequences(text)]
    found = cut.split_in_graph(tf.constant(lines)).to_list()
    assert found == [cut.split(line) for line in lines]


@pytest.mark.parametrize("units", [*UNITS, "tokens"])
def test_an_export_scores_as_the_model(units, tmp_path):
    tokenizer = ByteTokenizer() if units == "tokens" else None
    lm = NgramLM(3, units, tokenizer=tokenizer).fit(TEXTS)
    lm.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    asked = [*TEXTS, "", " \n", "nothing of it; 公园\nthe"]
    found = served.signatures["serving_default"](text=tf.constant(asked))
    np.testing.assert_allclose(
        found["log_probability"].numpy(), lm.score(asked), rtol=1e-5
    )
    assert lm.score("") == 0.0 and lm.score(TEXTS[0]) < 0


@pytest.mark.parametrize("name", ["model.arpa", "model.bin"])
@pytest.mark.parametrize("units", [*UNITS, "tokens"])
def test_files_know_their_units(units, name, tmp_path):
    tokenizer = ByteTokenizer() if units == "tokens" else None
    lm = NgramLM(3, units, tokenizer=tokenizer).fit(TEXTS)
    lm.save(tmp_path / name)
    again = NgramLM.load(tmp_path / name, tokenizer=tokenizer)
    assert again.units.name == units
    assert again.score(TEXTS) == pytest.approx(lm.score(TEXTS), rel=1e-5)


@pytest.mark.parametrize(
    ("units", "prompt", "text"),
    [
        ("words", "the dog", "the dog sat"),
        ("words", "今天天", "今天天气很好。"),
        ("characters", "Zwei Hä", "Zwei Häuser"),
        ("bytes", "Zwei Hä", "Zwei Häuser"),
    ],
)
def test_greedy_texts(units, prompt, text):
    lm = NgramLM(6, units).fit(TEXTS)
    assert lm.generate(prompt, temperature=0) == text
    new = lm.generate([prompt], temperature=0, include_prompt=False)
    assert new == [text[len(prompt) :]]


def test_samples_follow_the_probabilities():
    lm = NgramLM(2).fit(["a b", "a b", "a b", "a c", "d"])
    drawn = lm.generate(["a"] * 200, seed=1, max_new_tokens=1)
    assert drawn == lm.generate(["a"] * 200, seed=1, max_new_tokens=1)
    (ids,) = lm.ids("a b")
    expected = 10.0 ** lm.model.score(ids)[0][2]
    assert drawn.count("a b") / 200 == pytest.approx(expected, abs=0.08)
    assert set(lm.generate(["a"] * 20, seed=1, top_k=1)) == {"a b"}


def test_rare_words_are_unknown():
    lm = NgramLM(2, min_count=2).fit(["a b", "a c", "a d"])
    assert lm.vocabulary == ["<unk>", "<s>", "</s>", "a"]
    assert lm.score("a b") == lm.score("a zzz")
    assert lm.evaluate("a b")["unknown"] == 0.5


def test_a_sequence_of_one_word():
    lm = NgramLM(5).fit(["a"])
    assert lm.perplexity("a") < lm.perplexity("b")


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="there is no text to count"):
        NgramLM().fit(["", " \n "])
    with pytest.raises(ValueError, match="leaves none of 2 units: the most frequent"):
        NgramLM(min_count=3).fit(["a b", "a"])
    with pytest.raises(ValueError, match="unknown units 'word': did you mean 'words'"):
        NgramLM(units="word")
    with pytest.raises(ValueError, match="order must be positive, got 0"):
        NgramLM(0)
    with pytest.raises(RuntimeError, match="fit the model"):
        NgramLM().score("a")
    with pytest.raises(ValueError, match="there is no text to score"):
        NgramLM().fit(["a"]).perplexity(["", "\n"])
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        NgramLM().fit(["a"]).generate("a", temperatur=0)
    NgramLM(2, tokenizer=ByteTokenizer()).fit(["a"]).save(tmp_path / "m.bin")
    with pytest.raises(ValueError, match="needs the tokenizer that they are of"):
        NgramLM.load(tmp_path / "m.bin")
    with pytest.raises(ValueError, match="of another tokenizer"):
        NgramLM.load(tmp_path / "m.bin", tokenizer=ByteTokenizer(add_bos=True))

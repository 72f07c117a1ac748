"""`massivetext ngram`: from text to a file, its scores, texts and export."""

from __future__ import annotations

import json
import math

import pytest

from massivetext_keras.tasks import NgramLM

LINES = ["the cat sat on the mat", "the dog sat", "a cat ran"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("ngrams") / "lines.txt"
    path.write_text("\n".join(LINES))
    return path


@pytest.mark.parametrize("name", ["model.arpa", "model.bin"])
def test_from_text_to_answers(good, text, tmp_path, name):
    model = tmp_path / name
    said = good("ngram", "train", f"--input={text}", f"--output={model}", "--order=2")
    assert said == f"{model}: 11, 14 n-grams of 1 to 2 words\n"
    lm = NgramLM(2).fit(LINES)
    found = json.loads(
        good("ngram", "score", f"--model={model}", f"--input={text}", "--json")
    )
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["perplexity"] == pytest.approx(lm.perplexity("\n".join(LINES)))
    assert found["units"] == 12 and found["unknown"] == 0.0
    asked = ("--prompt=the dog", "--temperature=0")
    assert (
        good("ngram", "generate", f"--model={model}", *asked)
        == "the dog sat on the mat\n"
    )
    good("ngram", "export", f"--model={model}", f"--output={tmp_path / 'served'}")
    assert (tmp_path / "served/saved_model.pb").is_file()


@pytest.mark.parametrize(
    ("change", "code", "complaint"),
    [
        ("--order=0", 2, "--order=0 must be at least 1"),
        ("--units=word", 2, "words"),
        ("--max_memory=much", 1, "max_memory: 'much' is no size"),
        ("--min_count=9", 1, "leaves none of 8 units: the most frequent one occurs 3"),
    ],
)
def test_wrong_usage(bad, text, tmp_path, change, code, complaint):
    argv = (f"--input={text}", f"--output={tmp_path / 'm.bin'}", change)
    found, line = bad("ngram", "train", *argv)
    assert found == code and complaint in line
    assert not (tmp_path / "m.bin").exists()

"""`massivetext vectors`: from text to answers, files and an export."""

from __future__ import annotations

import json

import numpy as np
import pytest

SMALL = ("--size=8", "--min_count=1", "--sample=0", "--seed=1")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    rng = np.random.default_rng(0)
    groups = [["cat", "dog", "cow", "horse"], ["Berlin", "Wien", "Graz", "Linz"]]
    lines = [" ".join(rng.choice(groups[i % 2], 8)) for i in range(400)]
    path = tmp_path_factory.mktemp("vectors") / "lines.txt"
    path.write_text("\n".join(lines))
    return path


def test_from_text_to_answers(good, text, tmp_path):
    folder, logs = tmp_path / "v", tmp_path / "logs"
    flags = (f"--input={text}", f"--output={folder}", *SMALL, "--learning_rate=0.1")
    said = good("vectors", "train", *flags, "--epochs=15", f"--logs={logs}")
    assert said.splitlines()[-1] == f"{folder}: 8 words, 8 numbers each"
    assert (logs / "projector_config.pbtxt").is_file()
    lines = good("vectors", "similar", folder, "cat", "--k=3").splitlines()
    assert {line.split("\t")[0] for line in lines} == {"dog", "cow", "horse"}
    found = json.loads(good("vectors", "analogy", folder, "cat + dog", "--json"))
    assert found["asked"] == "cat + dog" and len(found["words"]) == 6
    for format in ("word2vec", "binary", "glove"):
        path = tmp_path / format
        good("vectors", "convert", folder, f"--output={path}", f"--format={format}")
        assert good("vectors", "similar", path, "cat", "--k=3").splitlines() == lines
    good("vectors", "export", folder, f"--output={tmp_path / 'served'}")
    assert (tmp_path / "served/saved_model.pb").is_file()


@pytest.mark.parametrize(
    ("change", "code", "complaint"),
    [
        ("--size=0", 2, "--size=0 must be at least 1"),
        ("--method=skip", 2, "skipgram"),
        ("--min_ngram=3", 2, "give such as 3 and 6"),
        ("--min_count=9999", 1, "min_count=9999 leaves none of 8 words: the most"),
    ],
)
def test_wrong_usage(bad, text, tmp_path, change, code, complaint):
    flags = (f"--input={text}", f"--output={tmp_path / 'v'}", *SMALL, change)
    found, line = bad("vectors", "train", *flags)
    assert found == code and complaint in line
    assert not (tmp_path / "v").exists()

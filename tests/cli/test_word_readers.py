"""Readers of words on the command line: a tokenizer, a run, its answers, an export."""

from __future__ import annotations

import json

import pytest


@pytest.mark.slow
def test_a_classifier_of_words(good, tmp_path):
    data, texts = tmp_path / "data.tsv", tmp_path / "texts.txt"
    rows = [("a good film", "yes"), ("a bad film", "no"), ("good", "yes"), ("", "no")]
    lines = [f"{text}\t{label}\n" for text, label in rows * 4]
    data.write_text("text\tlabel\n" + "".join(lines))
    texts.write_text("".join(f"{text}\n" for text, _ in rows))
    tok, run = tmp_path / "tok", tmp_path / "run"
    made = good(
        "tokenizer", "train", f"--input={texts}", "--kind=words", f"--output={tok}"
    )
    assert made.split(": ")[1] == "6 tokens\n"
    good(
        "finetune",
        "--task=TextClassifier",
        "--preset=cnn_rand",
        f"--data={data}",
        f"--tokenizer={tok}",
        f"--run_dir={run}",
        "--epochs=1",
        "--set=model.hidden_size=8",
    )
    written = json.loads((run / "config.json").read_text())
    assert written["model"]["stack"] == "word_encoder"
    assert written["options"]["head"] == "convolution"
    good("export", f"--preset={run}", f"--output={tmp_path / 'served'}")
    assert "accuracy" in good("evaluate", f"--preset={run}", f"--data={data}")

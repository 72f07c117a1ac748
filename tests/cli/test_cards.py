"""The verb `card`: what files say, and what nobody said."""

from __future__ import annotations

import json

import pytest

from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import encoder_task

SUMMARY = {
    "steps": 8,
    "tokens": 1196,
    "seconds": 14.4,
    "parameters": 512514,
    "validation": {"loss": {"final": 0.6945303, "best": 0.69, "step": 8}},
    "versions": {"keras": "3.15.1"},
}
MANIFEST = {
    "format": "massivetext_keras corpus 1",
    "inputs": {"web": {"files": 3, "bytes": 194329, "hash": "d65"}},
    "recipe": {"steps": {"normalize": {"form": "NFC", "mojibake": True}}},
    "documents": {"read": 9, "kept": 7},
    "bytes": {"read": 900, "kept": 700},
    "dropped": {"words": {"documents": 2, "bytes": 200}},
    "subsets": {"web": {"train": {"documents": 7, "bytes": 700}}},
    "shards": {"web/a|b.jsonl": {"documents": 7, "size": 650, "hash": "abc"}},
}


@pytest.fixture
def run(tmp_path):
    encoder_task(TextClassifier, labels=("no", "yes")).save_preset(tmp_path / "run")
    (tmp_path / "run/summary.json").write_text(json.dumps(SUMMARY))
    experiment = {"data": {"batch_size": 32}, "optimizer": {"learning_rate": 5e-5}}
    (tmp_path / "run/experiment.json").write_text(json.dumps(experiment))
    return tmp_path / "run"


def test_a_model_card_says_what_files_say(good, run, tmp_path):
    (tmp_path / "measures.json").write_text('{"examples": 870, "accuracy": 0.8966}')
    flags = ["--license=apache-2.0", "--language=en,de", "--intended_use=Reviews."]
    flags += [f"--evaluation={tmp_path}/measures.json"]
    out = good("card", f"--preset={run}", *flags)
    assert out == f"{run}/README.md: 3 of its sections are not said\n"
    text = (run / "README.md").read_text()
    assert text.startswith(
        "---\nlibrary_name: massivetext_keras\npipeline_tag: text-classification\n"
        'license: apache-2.0\ntags: ["massivetext_keras", "keras", "tensorflow"]\n'
        'language: ["en", "de"]\n---\n\n# run\n'
    )
    for row in (
        '| labels | ["no", "yes"] |',
        "| num_layers | 1 |",
        "| data.batch_size | 32 |",
        "| optimizer.learning_rate | 5e-05 |",
        "| parameters | 512514 |",
        "| accuracy | 0.8966 |",
        "| loss, validation | 0.69453 |",
        "| keras | 3.15.1 |",
        "Reviews.",
    ):
        assert row in text, row
    assert "## Training data\n\nNot said.\n" in text


def test_a_data_card_says_what_the_manifest_says(good, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    path = tmp_path / "card.md"
    good("card", f"--corpus={tmp_path}", f"--output={path}", "--name=Pages")
    text = path.read_text()
    for row in (
        "# Pages",
        "license: unknown",
        "| kept | 7 | 700 |",
        "| web | 3 | 194329 | d65 |",
        '| normalize | `{"form": "NFC", "mojibake": true}` |',
        "| words | 2 | 200 |",
        "| web, train | 7 | 700 |",
        "| web/a\\|b.jsonl | 7 | 650 | abc |",
        "## Motivation\n\nNot said.",
    ):
        assert row in text, row


def test_nothing_is_overwritten_unasked(good, bad, run):
    (run / "README.md").write_text("mine")
    code, said = bad("card", f"--preset={run}")
    assert code == 1 and "--overwrite" in said
    assert (run / "README.md").read_text() == "mine"
    good("card", f"--preset={run}", "--overwrite")


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "give --preset or --corpus"),
        (["--preset=a", "--corpus=b"], 2, "give --preset or --corpus"),
        (["--preset={folder}"], 1, "config.json"),
        (["--corpus={folder}"], 1, "manifest.json"),
        (["--preset={folder}/run", "--evaluation={folder}/none.json"], 1, "none.json"),
    ],
)
def test_bad_input(bad, tmp_path, run, flags, code, message):
    flags = [flag.format(folder=tmp_path) for flag in flags]
    found, said = bad("card", *flags)
    assert (found, message in said) == (code, True), said
    assert not (tmp_path / "README.md").exists()

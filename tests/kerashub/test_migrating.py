"""docs/migrating.md: its code runs, and its tables are made of it."""

from __future__ import annotations

import json
import re

import pytest

from massivetext_keras.architecture import shapes
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.tokenizers import WordPieceTokenizer
from tests.checkpoints import test_bert as published
from tests.checkpoints import test_t5 as t5
from tests.kerashub.fixtures import make
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "migrating.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WORDS = ["a", "dull", "fine", "film", "bad", "good", "\t"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One with all that the page has names for."""
    monkeypatch.chdir(tmp_path)
    make("gpt2").save_to_preset("gpt2_base_en")
    make("bert").save_to_preset("bert_base_en")
    config = shapes.preset("bert_tiny").replace(
        vocabulary_size=len(SPECIAL + WORDS), num_layers=1, hidden_size=16
    )
    tokenizer = WordPieceTokenizer([*SPECIAL, *WORDS], add_bos=True, add_eos=True)
    task = TextClassifier(config, tokenizer, labels=["no", "yes"])
    task.save_preset("minilm", format="huggingface")
    bert = tmp_path / "uncased_L-2_H-128_A-2"
    bert.mkdir()
    words = [*published.SPECIAL, *WORDS, *(f"w{i}" for i in range(24))]
    published.write(bert, published.variables(), words)
    (tmp_path / "vocab.txt").write_text((bert / "vocab.txt").read_text())
    t5.write(tmp_path / "t5.1.1.small", "t5_v1_1", t5.variables("t5_v1_1"))
    for name in ("pairs.tsv", "pairs_dev.tsv"):
        (tmp_path / name).write_text("source\ttarget\nthe cat\ta dog\n")
    (tmp_path / "words.txt").write_text("a dull fine film\n\n" * 40)
    rows = "bad\ta dull film\ngood\ta fine film\n"
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text(f"label\ttext\n{rows}")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_blocks_run(folder, number):
    exec(compile(BLOCKS[number], "docs/migrating.md", "exec"), {})
    if number == 0:
        described = json.loads((folder / "sentiment" / "task.json").read_text())
        assert described["class_name"] == "BertTextClassifier"
    else:
        assert len([*folder.glob("served*/saved_model.pb")]) == 1


def test_tables_are_made_of_the_blocks():
    """Calls in the right column stand in a block, but for white space."""
    code = re.sub(r"\s", "", "".join(BLOCKS))
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    calls = [x for _, ours in rows for x in re.findall(r"`([^`]+\(.*?\))`", ours)]
    assert len(calls) > 25
    assert [x for x in calls if re.sub(r"\s", "", x) not in code] == []

"""Files to examples of a task."""

from __future__ import annotations

import pytest

from massivetext_keras.tasks import TextClassifier
from tests.tasks.tiny import encoder_task


def test_empty_texts_are_said(tmp_path, caplog):
    path = tmp_path / "a.tsv"
    path.write_text("a film\tgood\n\tbad\n")
    assert len(TextClassifier.read_examples(path)) == 2
    assert f"used nevertheless: an empty text (1: {path}:2)" in caplog.text
    with pytest.raises(ValueError, match="a.tsv:2: an empty text"):
        TextClassifier.read_examples(path, strict=True)
    path = tmp_path / "b.jsonl"
    path.write_text('{"sentence": "a", "class": 1}\n')
    with pytest.raises(
        ValueError, match="b.jsonl: there is no example: 1 example left"
    ):
        TextClassifier.read_examples(path)


def test_files_are_measured_and_calibrated_with(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("the cat\tyes\nthe dog\tno\n")
    task = encoder_task(TextClassifier, labels=["no", "yes"])
    examples = TextClassifier.read_examples(path)
    assert task.measure(path) == pytest.approx(task.measure(examples), rel=1e-4)
    assert task.calibrate(str(path)) == pytest.approx(task.calibrate(examples), 1e-3)

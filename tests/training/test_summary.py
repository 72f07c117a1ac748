"""What is left of a run says what was recorded of it."""

from __future__ import annotations

import hashlib
import json

import keras
import pytest
import tensorflow as tf

from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.optimization.optimizers import adamw
from massivetext_keras.training.summary import write_summary
from tests.training.tiny import TinyLM

EXPERIMENT = ExperimentConfig().override("train.steps=30")


def write(folder, **tags):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for tag, values in tags.items():
            for step, value in values.items():
                tf.summary.scalar(tag.replace("__", "/"), value, step)
    writer.close()


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = TinyLM()
    model.compile(adamw())
    model.optimizer.iterations.assign(30)
    return model


def test_the_summary_is_that_of_the_record(tmp_path, model):
    bits = {10: 3.0, 20: 2.0, 30: 2.5, 40: 1.0}  # 40 is of an earlier, longer run
    write(
        tmp_path / "train",
        loss={step: 2 * value for step, value in bits.items()},
        bits_per_byte=bits,
        tokens={10: 100, 20: 200, 30: 300, 40: 400},
        seconds={10: 5.0, 20: 6.5, 30: 8.25, 40: 9.0},
        tokens_per_second={20: 50.0, 30: 70.0, 40: 1.0},
        memory__peak={10: 1.5, 20: 1.0, 30: 1.25},
    )
    write(tmp_path / "validation", loss={15: 3.5, 30: 3.75}, perplexity={30: 42.5})
    write_summary(tmp_path, model, EXPERIMENT)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["steps"] == 30 and summary["finished"] is True
    assert (summary["tokens"], summary["seconds"]) == (300, 8.2)
    assert summary["train"] == {
        "loss": {"final": 5.0, "best": 4.0, "step": 20},
        "bits_per_byte": {"final": 2.5, "best": 2.0, "step": 20},
    }
    assert summary["validation"] == {
        "loss": {"final": 3.75, "best": 3.5, "step": 15},
        "perplexity": {"final": 42.5, "best": 42.5, "step": 30},
    }
    assert summary["tokens_per_second"] == 60.0
    assert summary["peak_memory_gib"] == 1.5
    assert summary["parameters"] == model.count_params()
    assert (summary["precision"], summary["devices"]) == ("float32", "one device")
    assert summary["versions"]["keras"] == keras.__version__
    described = json.dumps(EXPERIMENT.to_dict(), sort_keys=True).encode()
    assert summary["config_sha256"] == hashlib.sha256(described).hexdigest()
    assert (tmp_path / "loss.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "bits per byte" in (tmp_path / "loss.svg").read_text()


def test_a_run_that_was_broken_off_is_not_finished(tmp_path, model):
    write(tmp_path / "train", loss={10: 3.0})
    write_summary(tmp_path, model, EXPERIMENT.override("train.steps=31"))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["finished"] is False and "validation" not in summary


def test_without_a_record_nothing_is_written(tmp_path, model):
    write_summary(tmp_path, model, EXPERIMENT)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_there_is_no_picture(tmp_path, model, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("massivetext_keras.training.summary.find_spec", lambda _: None)
    write(tmp_path / "train", loss={10: 3.0})
    write_summary(tmp_path, model, EXPERIMENT)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "summary.json"}
    assert "matplotlib is not installed" in caplog.text

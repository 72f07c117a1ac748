"""Private training of a run: what its files say, and that it ends in time."""

from __future__ import annotations

import json

import pytest

from massivetext_keras import training
from massivetext_keras.data import LabeledText
from massivetext_keras.experiment import FINE_TUNING, ExperimentConfig
from massivetext_keras.privacy import DPSGD, epsilon, noise_for
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.training.fine_tuning import learn
from massivetext_keras.training.private import compile_options
from massivetext_keras.training.watching.curves import read_scalars
from tests.tasks.tiny import encoder_task

pytest.importorskip("dp_accounting")

EXAMPLES = [LabeledText(f"the {x} sat", "ab"[x == "cat"]) for x in ("cat", "mat")] * 4
PLAIN = {"batch_size": 4, "learning_rate": 1e-3, "jit_compile": False}


def classifier() -> TextClassifier:
    return encoder_task(TextClassifier, labels=["a", "b"])


def private(**fields):
    """An experiment of three epochs, of two batches each."""
    experiment = FINE_TUNING.override("train.epochs=3", "data.batch_size=4")
    changes = [f"privacy.{name}={value}" for name, value in fields.items()]
    changes += ["data.validation_fraction=0", "train.xla=false"]
    return experiment.override("optimizer.learning_rate=0.001", *changes)


def test_the_files_of_a_run_say_it(tmp_path):
    asked = DPSGD(clip_norm=0.5, noise_multiplier=2.0, delta=1e-3)
    training.fine_tune(
        classifier(), EXAMPLES, epochs=2, run_dir=tmp_path, privacy=asked, **PLAIN
    )
    written = json.loads((tmp_path / "experiment.json").read_text())
    settings = {"noise_multiplier": 2.0, "clip_norm": 0.5, "delta": 1e-3}
    assert written["privacy"] == {**settings, "epsilon": None}
    spent = epsilon(asked, 8, 4, 4)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["privacy"] == {**settings, "epsilon": pytest.approx(spent)}
    assert read_scalars(tmp_path / "train", "epsilon")[4] == pytest.approx(spent)
    with pytest.raises(ValueError, match=r"privacy\.clip_norm is 0\.5 there and 0\.25"):
        training.fine_tune(
            classifier(),
            EXAMPLES,
            epochs=3,
            run_dir=tmp_path,
            privacy=DPSGD(clip_norm=0.25, noise_multiplier=2.0, delta=1e-3),
            **PLAIN,
        )


def test_an_epsilon_alone_gives_the_noise(tmp_path):
    task = classifier()
    learn(task, private(epsilon=3.0, delta=1e-2), EXAMPLES, run_dir=tmp_path)
    noise = noise_for(3.0, DPSGD(delta=1e-2), 8, 4, 6)
    assert task.privacy == DPSGD(1.0, noise, 1e-2) and noise > 1.0
    written = json.loads((tmp_path / "experiment.json").read_text())
    assert written["privacy"]["noise_multiplier"] == noise
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["finished"] and 2.9 < summary["privacy"]["epsilon"] <= 3.0


def test_an_epsilon_without_its_noise_is_not_compiled():
    with pytest.raises(ValueError, match=r"privacy\.noise_multiplier is not known"):
        compile_options(private(epsilon=2.0))


def test_training_ends_before_more_is_told(tmp_path):
    most = epsilon(DPSGD(noise_multiplier=2.0), 8, 4, 4) + 0.01  # of two epochs
    experiment = private(noise_multiplier=2.0, epsilon=most)
    task = classifier()
    learn(task, experiment, EXAMPLES, run_dir=tmp_path)
    assert int(task.optimizer.iterations) == 4
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert not summary["finished"]
    assert summary["privacy"]["epsilon"] == pytest.approx(most - 0.01)
    with pytest.raises(ValueError, match="4 updates were made, and more would exceed"):
        learn(classifier(), experiment, EXAMPLES, run_dir=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["privacy.epsilon=1.0", "train.minutes=1"], "give privacy.noise_multiplier"),
        (["privacy.epsilon=1.0", "data.batch_tokens=64"], "give data.batch_size"),
    ],
)
def test_what_epsilon_cannot_be_counted_for(changes, message):
    with pytest.raises(ValueError, match=message):
        learn(classifier(), private().override(*changes), EXAMPLES)


def test_batches_of_another_kind_and_text_are_refused(tmp_path):
    poisson = DPSGD(sampling="poisson", expected_rows=4)
    with pytest.raises(ValueError, match="'poisson' is for `fit`"):
        training.fine_tune(classifier(), EXAMPLES, privacy=poisson, **PLAIN)
    (tmp_path / "a.txt").write_text("text " * 200)
    with pytest.raises(ValueError, match="privacy is for examples"):
        experiment = ExperimentConfig().override("privacy.noise_multiplier=1")
        training.train(experiment, tmp_path / "a.txt", None, tmp_path / "run")

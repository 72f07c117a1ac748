"""A whole run: as many updates as were asked for, and every record of them."""

from __future__ import annotations

import importlib
import json
import re
import shutil

import keras
import numpy as np
import pytest

from massivetext_keras import training
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tasks import CausalLM
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training.callbacks.time_limit import elapsed
from massivetext_keras.training.watching.curves import read_scalars

TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 40
EXPERIMENT = ExperimentConfig.from_dict(
    {
        "model": {
            "vocabulary_size": 259,
            "num_layers": 1,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 32,
            "max_length": 32,
            "dropout": 0.1,
        },
        "data": {"batch_size": 2, "sequence_length": 16},
        "optimizer": {"learning_rate": 0.01, "warmup_steps": 2},
        "train": {
            "steps": 7,
            "precision": "float32",
            "strategy": "none",
            "evaluate_every": 3,
            "checkpoint_every": 2,
            "sample_every": 0,
        },
    }
)


pytestmark = pytest.mark.usefixtures("without_xla")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT)
    return path


class Stop(keras.callbacks.Callback):
    """Breaks a run off as a crash does, after a number of updates."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == self.step:
            raise KeyboardInterrupt


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.updates = self.evaluations = 0

    def on_train_batch_end(self, batch, logs=None):
        self.updates += 1

    def on_test_end(self, logs=None):
        self.evaluations += 1


def run(text, folder, *callbacks, experiment=EXPERIMENT, **options):
    return training.train(
        experiment, text, ByteTokenizer(), folder, callbacks=callbacks, **options
    )


def weights(task) -> list[np.ndarray]:
    return [variable.numpy() for variable in task.variables]


@pytest.fixture(scope="module")
def straight(text, tmp_path_factory):
    """Seven updates, an evaluation after each three and at the end."""
    folder = tmp_path_factory.mktemp("straight")
    count = Count()
    return run(text, folder, count), folder, count


def checkpoints(folder) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_updates_are_exactly_as_many_as_asked_for(straight):
    task, folder, count = straight
    assert int(task.optimizer.iterations.numpy()) == 7
    assert (count.updates, count.evaluations) == (7, 3)
    assert "step_00000007" in checkpoints(folder)
    validation = read_scalars(folder / "validation", "loss")
    assert list(validation) == [3, 6, 7]
    assert validation[7] < validation[3] < np.log(259) + 0.1


def test_a_run_ends_with_its_minutes(text, tmp_path, caplog):
    experiment = EXPERIMENT.override("train.minutes=0.0001", "train.evaluate_every=999")
    count = Count()
    task = run(text, tmp_path, count, experiment=experiment)
    assert elapsed(task.optimizer) >= 6
    assert 1 < count.updates < 99 and count.evaluations == 1
    assert json.loads((tmp_path / "summary.json").read_text())["finished"] is True
    with caplog.at_level("INFO"):
        again = run(text, tmp_path, count, experiment=experiment)
    assert f"step {count.updates}, " in caplog.text and "of 0.0001 min" in caplog.text
    assert int(again.optimizer.iterations.numpy()) == count.updates


def test_the_folder_is_a_preset_that_gives_the_same_logits(straight):
    task, folder, _ = straight
    written = json.loads((folder / "experiment.json").read_text())
    text = written["data"].pop("text")
    assert re.fullmatch("[0-9a-f]{64}", text)
    assert written["tokenizer"] == {
        "kind": "bytes",
        "vocabulary_size": 259,
        "model_type": None,
        "split": None,
        "spelled": None,
        "fingerprint": ByteTokenizer().fingerprint,
    }
    assert written["task"]["name"] == "CausalLM"
    assert written["data"].pop("objective") == "causal"
    asked = json.loads(json.dumps(EXPERIMENT.to_dict()))
    for name in ("text", "objective"):
        del asked["data"][name]
    assert written.keys() == asked.keys()
    for section in ("model", "data", "optimizer", "train"):
        assert written[section] == asked[section]
    unsaid = {name: None for name in ("chat_template", "end_ids", "moderation")}
    unsaid |= {"banned": [], "never_ids": [], "generation": {}}
    assert written["task"] == {**asked["task"], **unsaid, "name": "CausalLM"}
    loaded = CausalLM.from_preset(str(folder))
    assert loaded.config == EXPERIMENT.model
    features = {"token_ids": [[119, 107, 104, 35]]}
    np.testing.assert_array_equal(loaded(features), task(features))


def test_train_scalars_end_with_the_last_update(straight):
    folder = straight[1] / "train"
    assert list(read_scalars(folder, "loss")) == [7]
    # The cosine ends at a tenth of the peak.
    assert read_scalars(folder, "learning_rate")[7] == pytest.approx(1e-3, rel=1e-5)


def test_the_run_leaves_its_summary_and_a_picture(straight):
    folder = straight[1]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["steps"], summary["finished"]) == (7, True)
    assert summary["tokens"] == 7 * 2 * 16
    validation = read_scalars(folder / "validation", "loss")
    assert summary["validation"]["loss"]["final"] == validation[7]
    assert summary["parameters"] == straight[0].count_params()
    for name in ("loss.png", "loss.svg"):
        assert (folder / name).stat().st_size > 1000


@pytest.fixture(scope="module")
def resumed(text, tmp_path_factory):
    """Broken off after five updates, gone on with from the checkpoint of the fourth."""
    folder = tmp_path_factory.mktemp("resumed")
    with pytest.raises(KeyboardInterrupt):
        run(text, folder, Stop(5))
    assert checkpoints(folder)[-1] == "step_00000004"
    assert not (folder / "config.json").exists()
    count = Count()
    return run(text, folder, count), folder, count


def test_resumed_is_uninterrupted_bit_for_bit(resumed, straight):
    task, _, count = resumed
    assert (count.updates, int(task.optimizer.iterations.numpy())) == (3, 7)
    for a, b in zip(weights(task), weights(straight[0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluations_of_a_resumed_run_are_those_of_the_straight_one(resumed, straight):
    values = read_scalars(resumed[1] / "validation", "loss")
    assert values == read_scalars(straight[1] / "validation", "loss")


def test_a_finished_run_is_left_as_it_is(text, tmp_path, straight):
    folder = shutil.copytree(straight[1], tmp_path / "run")
    before = (folder / "model.safetensors").read_bytes()
    count = Count()
    run(text, folder, count)
    assert count.updates == 0
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("optimizer.learning_rate=0.02", "optimizer.learning_rate is 0.01 there and 0"),
        ("data.batch_size=4", "data.batch_size is 2 there and 4 here"),
        ("data.sequence_length=8", "data.sequence_length is 16 there and 8 here"),
        ("data.seed=1", "data.seed is 0 there and 1 here"),
        ("train.seed=1", "train.seed is 0 there and 1 here"),
        ("model.hidden_size=8", "model.hidden_size is 16 there and 8 here"),
        ("train.frozen=embedding", "train.frozen is None there and 'embedding' here"),
        ("task.chat_template=chatml", "task.chat_template is None there and {'system'"),
    ],
)
def test_a_run_does_not_go_on_as_another(text, straight, change, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        run(text, straight[1], experiment=EXPERIMENT.override(change))


def test_a_run_does_not_go_on_with_another_text(tmp_path, straight):
    (tmp_path / "text.txt").write_text(TEXT + "!")
    with pytest.raises(ValueError, match="data.text is '.*' there and '.*' here"):
        run(tmp_path / "text.txt", straight[1])


def test_a_run_may_move_and_be_recorded_otherwise(text, tmp_path, straight):
    folder = shutil.copytree(straight[1], tmp_path / "run")
    moved = shutil.copy(text, tmp_path / "moved.txt")
    fields = "checkpoint_every=9 evaluate_every=5 sample_every=9 strategy=auto"
    changes = [f"train.{field}" for field in f"{fields} steps=8".split()]
    count = Count()
    run(moved, folder, count, experiment=EXPERIMENT.override(*changes))
    assert count.updates == 1


def test_without_resume_a_run_starts_anew(text, tmp_path, straight):
    folder = shutil.copytree(straight[1], tmp_path / "run")
    other = EXPERIMENT.override("train.steps=1").override("train.seed=5")
    count = Count()
    task = run(text, folder, count, experiment=other, resume=False)
    assert (count.updates, int(task.optimizer.iterations.numpy())) == (1, 1)
    steps = [name for name in checkpoints(folder) if name.startswith("step_")]
    assert steps == ["step_00000001"]
    assert (weights(task)[0] != weights(straight[0])[0]).any()


def test_a_run_goes_on_from_the_weights_of_a_preset(text, tmp_path, straight):
    # No update, so the weights are the preset's own.
    experiment = EXPERIMENT.override("train.steps=0")
    task = training.train(experiment, text, None, tmp_path, str(straight[1]))
    loaded = CausalLM.from_preset(str(straight[1]))
    for a, b in zip(task.backbone.weights, loaded.backbone.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_experiment_json_describes_the_model_of_the_preset(text, tmp_path, straight):
    experiment = ExperimentConfig(data=EXPERIMENT.data, train=EXPERIMENT.train)
    experiment = experiment.override("train.steps=0")
    training.train(experiment, text, None, tmp_path, str(straight[1]))
    written = json.loads((tmp_path / "experiment.json").read_text())
    assert written["model"] == EXPERIMENT.model.to_dict()


def test_a_run_that_cannot_start_changes_nothing(text, tmp_path, straight):
    folder = shutil.copytree(straight[1], tmp_path / "run")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    experiment = EXPERIMENT.override("train.steps=9")
    with pytest.raises(FileNotFoundError, match="^no text file matches "):
        run(folder / "missing.txt", folder, experiment=experiment)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_without_validation_text_there_is_no_evaluation(text, tmp_path):
    experiment = EXPERIMENT.override("data.validation_fraction=0")
    count = Count()
    run(text, tmp_path, count, experiment=experiment.override("train.steps=2"))
    assert (count.updates, count.evaluations) == (2, 0)
    assert not (tmp_path / "validation").exists()


@pytest.mark.parametrize("field", ["data.batch_size", "train.evaluate_every"])
def test_a_count_of_zero_is_an_error_that_names_the_field(text, tmp_path, field):
    name = field.split(".")[1]
    with pytest.raises(ValueError, match=name):
        run(text, tmp_path, experiment=EXPERIMENT.override(f"{field}=0"))


def test_a_callback_from_outside_is_named_in_the_config(text, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import keras\n\nSEEN = []\n\n\n"
        "class Seeing(keras.callbacks.Callback):\n"
        "    def __init__(self, times=1):\n"
        "        super().__init__()\n"
        "        self.times = times\n\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        SEEN.extend([float(logs['loss'])] * self.times)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    experiment = EXPERIMENT.override(
        "train.steps=2", 'train.callbacks=["mine:Seeing"]', "train.evaluate_every=9"
    )
    run(text, tmp_path / "run", experiment=experiment)
    seen = importlib.import_module("mine").SEEN
    assert len(seen) == 2
    # the run goes on with others, and with arguments
    longer = experiment.override(
        "train.steps=3", 'train.callbacks=[{"name": "mine:Seeing", "times": 5}]'
    )
    run(text, tmp_path / "run", experiment=longer)
    assert len(seen) == 2 + 5 and len(set(seen)) == 3
    written = json.loads((tmp_path / "run/experiment.json").read_text())
    assert ExperimentConfig.from_dict(written).train == longer.train
    for entry, message in {
        '"mine:Seing"': "mine has no such class; did you mean 'Seeing'",
        '{"name": "mine:Seeing", "time": 1}': "Seeing 'time': did you mean 'times'",
    }.items():
        wrong = experiment.override(f"train.callbacks=[{entry}]")
        with pytest.raises(ValueError, match=rf"train.callbacks\[0\]: .*{message}"):
            run(text, tmp_path / "other", experiment=wrong)
        with pytest.raises(ValueError, match=rf"train.callbacks\[0\]: .*{message}"):
            next(training.plan(wrong, [str(text)], ByteTokenizer()))
    assert not (tmp_path / "other").exists()

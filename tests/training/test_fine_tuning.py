"""Fine-tuning: examples are learnt, the best weights kept, a stopped run goes on."""

from __future__ import annotations

import json
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from massivetext_keras.data import Conversation, LabeledText
from massivetext_keras.experiment import FINE_TUNING, TaskConfig
from massivetext_keras.saving.weights import Tensors
from massivetext_keras.tasks import TextClassifier
from massivetext_keras.training import fine_tune, learn
from massivetext_keras.training.watching.curves import read_scalars
from tests.tasks.tiny import ENCODER, byte_lm, words

pytestmark = pytest.mark.usefixtures("without_xla")

TRAIN = [
    LabeledText(text, label)
    for text, label in [
        ("the cat sat", "cat"),
        ("cat on mat", "cat"),
        ("the the cat", "cat"),
        ("the dog sat", "dog"),
        ("dog on mat", "dog"),
        ("the the dog", "dog"),
    ]
]
VALID = [LabeledText("the cat on", "cat"), LabeledText("mat , dog", "dog")]
TALKS = [Conversation(("one", "eins"), ("user", "assistant"))] * 2
QUICK = {"learning_rate": 0.02, "batch_size": 2, "seed": 3}


class Remembering(TextClassifier):
    """Remembers the weights with which it was measured."""

    def measure(self, examples, predictions=None):
        self.measured_weights = weights(self)
        return {"f1": 1.0}


def classifier(seed: int = 0, cls=TextClassifier) -> TextClassifier:
    keras.utils.set_random_seed(seed)
    config = ENCODER.replace(num_layers=1, dropout=0.1)
    return cls(config, words(), labels=["cat", "dog"], head="mean")


def weights(task) -> list[np.ndarray]:
    return [weight.numpy() for weight in task.weights]


class Stop(keras.callbacks.Callback):
    """Ends a run as an error does, after so many updates."""

    def __init__(self, after: int):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        self.after -= 1
        if not self.after:
            raise RuntimeError("stopped")


def test_examples_are_learnt_and_measured(caplog):
    task = classifier()
    with caplog.at_level(logging.INFO):
        measures = fine_tune(task, TRAIN, VALID, epochs=8, **QUICK)
    assert measures["accuracy"] == 1.0
    assert measures == task.measure(VALID)
    said = [r.getMessage() for r in caplog.records if "accuracy" in r.getMessage()]
    assert [line.split(":")[0] for line in said] == [
        f"step {3 * i}" for i in range(1, 9)
    ]
    assert [answer.label for answer in task.classify(["cat", "dog"])] == ["cat", "dog"]


def test_callbacks_of_the_experiment_have_their_arguments():
    task, entry = classifier(), {"name": "keras.callbacks:EarlyStopping", "patience": 1}
    entry |= {"monitor": "loss", "mode": "max", "min_delta": 100}  # never better
    experiment = FINE_TUNING.replace(
        data=FINE_TUNING.data.replace(batch_size=2, validation_fraction=0.0),
        train=FINE_TUNING.train.replace(epochs=6.0, callbacks=[entry]),
    )
    learn(task, experiment, TRAIN)
    assert int(task.optimizer.iterations.numpy()) == 2 * 3  # of six epochs
    settings = experiment.train.replace(callbacks=[{**entry, "pattern": 1}])
    with pytest.raises(ValueError, match="EarlyStopping 'pattern': did you mean 'pat"):
        learn(task, experiment.replace(train=settings), TRAIN)


def test_without_validation_nothing_is_measured():
    assert fine_tune(classifier(), TRAIN, epochs=1, **QUICK) == {}


def test_the_seed_decides_and_the_order_of_the_call_does_not():
    ends = []
    for seed in (3, 3, 4):
        task = classifier()
        fine_tune(task, TRAIN, epochs=2, **{**QUICK, "seed": seed})
        ends.append(weights(task))
    assert all(np.array_equal(a, b) for a, b in zip(ends[0], ends[1], strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(ends[0], ends[2], strict=True))


@pytest.mark.parametrize("with_folder", [False, True])
def test_the_best_weights_are_kept(tmp_path, monkeypatch, with_folder):
    task, seen = classifier(), []
    values = iter([0.0, 0.5, 0.9, 0.9])  # the first is not of an epoch

    def measure(examples, predictions=None):
        seen.append(weights(task))
        return {"f1": next(values), "f1/cat": 0.0}

    monkeypatch.setattr(task, "measure", measure)
    folder = tmp_path / "run" if with_folder else None
    options = {"keep_best": "f1", "run_dir": folder, **QUICK}
    best = {"f1": 0.9, "f1/cat": 0.0}
    assert fine_tune(task, TRAIN, VALID, epochs=3, **options) == best
    pairs = zip(task.weights, seen[2], strict=True)
    kept = [np.array_equal(a.numpy(), b) for a, b in pairs if "random" not in a.path]
    assert all(kept)
    assert any(not np.array_equal(a, b) for a, b in zip(seen[2], seen[3], strict=True))
    if with_folder:
        assert json.loads((folder / "best" / "measures.json").read_text()) == best
        drawn = read_scalars(folder / "validation", "measure/f1")
        assert list(drawn.values()) == pytest.approx([0.5, 0.9, 0.9])
        events = EventAccumulator(str(folder / "validation"))
        shown = events.Reload().Tensors("answers")[1].tensor_proto
        answers = [json.loads(text) for text in tf.make_ndarray(shown)]
        asked = [{"text": x.text, "label": x.label} for x in VALID]
        there = zip(asked, task.predictions(VALID), strict=True)
        assert answers == [{**x, "prediction": said} for x, said in there]


def test_means_of_weights_are_measured_and_kept(tmp_path):
    ends = []
    for ema, folder in ((None, None), (0.5, None), (0.5, tmp_path / "run")):
        task = classifier(cls=Remembering)
        fine_tune(task, TRAIN, VALID, epochs=2, ema=ema, run_dir=folder, **QUICK)
        ends.append(weights(task))
        for a, b in zip(task.measured_weights, ends[-1], strict=True):
            np.testing.assert_array_equal(a, b)
    for last, mean, with_folder in zip(*ends, strict=True):
        np.testing.assert_array_equal(mean, with_folder)
        assert last.ndim == 0 or not np.array_equal(last, mean)


def test_a_measure_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="unknown measure 'acuracy': did you mean 'ac"):
        fine_tune(classifier(), TRAIN, VALID, epochs=1, keep_best="acuracy", **QUICK)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    whole, part, rest = classifier(), classifier(), classifier(seed=7)
    fine_tune(whole, TRAIN, VALID, epochs=4, **QUICK)
    folder = {"run_dir": tmp_path / "run"}
    with pytest.raises(RuntimeError, match="stopped"):
        fine_tune(part, TRAIN, VALID, epochs=4, callbacks=[Stop(9)], **folder, **QUICK)
    assert (tmp_path / "run" / "checkpoints").exists()
    fine_tune(rest, TRAIN, VALID, epochs=4, **folder, **QUICK)
    for a, b in zip(whole.weights, rest.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    again = TextClassifier.from_preset(str(tmp_path / "run"))
    assert again.classify("the cat") == rest.classify("the cat")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a run that was stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    how = {"epochs": 4, "callbacks": [Stop(4)], "run_dir": folder, **QUICK}
    with pytest.raises(RuntimeError, match="stopped"):
        fine_tune(classifier(), TRAIN, VALID, **how)
    return folder


@pytest.mark.parametrize(
    ("options", "arguments", "named"),
    [
        ({"r_drop": 5.0}, {}, "task.r_drop is 0.0 there and 5.0 here"),
        ({"class_weights": {"cat": 3.0}}, {}, "task.class_weights is None there"),
        ({"frozen": "position"}, {}, "task.frozen is "),
        ({"rank": 2}, {}, "task.adapters (rank, alpha, dropout) is {} there"),
        ({}, {"keep_best": "accuracy"}, "train.keep_best is None there"),
        ({}, {"max_length": 5}, "data.sequence_length is 32 there and 5 here"),
        ({}, {"batch_size": 3}, "data.batch_size is 2 there and 3 here"),
        ({}, {"weight_decay": 0.5}, "optimizer.weight_decay is 0.01 there"),
        ({}, {"seed": 4}, "data.seed is 3 there and 4 here"),
        ({}, {"epochs": 5}, "train.epochs is 4.0 there and 5.0 here"),
        ({}, {"batch_tokens": 64}, "data.batch_tokens is None there and 64 here"),
        ({}, {"schedule": "constant"}, "optimizer.schedule is 'linear' there and"),
        ({"threshold": 0.7}, {}, "task.threshold is 0.5 there and 0.7 here"),
        ({}, {"train": TRAIN[:4]}, "data.text is "),
        ({}, {"validation": VALID[:1]}, "data.text is "),
    ],
)
def test_a_stopped_run_goes_on_with_the_same_settings_alone(
    stopped, options, arguments, named
):
    task = classifier()
    for name, value in options.items():
        if name == "frozen":
            task.freeze(value)
        elif name == "rank":
            task.add_adapters(rank=value)
        else:
            setattr(task, name, value)
    given = {"train": TRAIN, "validation": VALID, "epochs": 4, **QUICK, **arguments}
    with pytest.raises(ValueError, match="is of another run") as error:
        fine_tune(task, run_dir=stopped, **given)
    assert named in str(error.value)


def test_the_folder_says_what_was_learnt_and_how(stopped):
    written = json.loads((stopped / "experiment.json").read_text())
    assert written["task"]["name"] == "TextClassifier"
    assert written["task"]["labels"] == ["cat", "dog"]
    assert written["task"]["r_drop"] == 0.0
    assert (written["train"]["epochs"], written["train"]["steps"]) == (4.0, 12)
    assert written["tokenizer"]["fingerprint"] == words().fingerprint


def test_an_experiment_that_says_another_task_is_refused():
    for change, said in (
        ("task.r_drop=2.0", "task.r_drop is 2.0 in the experiment and 0.0 of the task"),
        ("task.r_dorp=2.0", "TextClassifier has none: did you mean 'r_drop'"),
        ("task.name=Seq2SeqLM", "task.name is 'Seq2SeqLM', but the task is a TextCl"),
        ("data.objective=spans", "examples are learnt by their labels"),
        ("task.label_smoothing=0.1", "label_smoothing: TextClassifier has none"),
    ):
        with pytest.raises(ValueError, match=said):
            learn(classifier(), FINE_TUNING.override(change), TRAIN)


def test_a_chat_template_by_name_is_the_one_that_the_task_keeps(tmp_path):
    task = byte_lm(chat_template="chatml", max_length=128)
    quick = FINE_TUNING.override("data.validation_fraction=0", "train.epochs=1")
    named = quick.override("task.chat_template=chatml")
    written = quick.replace(
        task=TaskConfig(options={"chat_template": task.chat_template})
    )
    for experiment in (named, written):  # the second call finds the end of the first
        assert learn(task, experiment, TALKS, run_dir=tmp_path) == {}
    kept = json.loads((tmp_path / "experiment.json").read_text())["task"]
    assert kept["chat_template"]["user"] == ["<|im_start|>user\n", "<|im_end|>\n"]


def test_another_chat_template_is_refused():
    task = byte_lm(chat_template="chatml")
    for change, said in (
        ("plain", "task.chat_template is 'plain' in the experiment and {'system'"),
        ("null", "task.chat_template is None in the experiment and {'system'"),
        ("chatmll", "unknown chat template 'chatmll': did you mean 'chatml'?"),
    ):
        experiment = FINE_TUNING.override(f"task.chat_template={change}")
        with pytest.raises(ValueError, match=said):
            learn(task, experiment, TALKS)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="epochs must be positive, got 0"):
        fine_tune(classifier(), TRAIN, epochs=0, **QUICK)
    with pytest.raises(ValueError):
        fine_tune(classifier(), [], **QUICK)


@pytest.mark.parametrize(
    ("learnt", "frozen", "rate"),
    [(False, None, 5e-4), (True, None, 5e-5), (True, "^(?!.*head)", 5e-4)],
)
def test_the_rate_is_that_of_what_is_trained(caplog, learnt, frozen, rate):
    task = classifier()
    if learnt:
        named = {name: weight.numpy() for name, weight in task.named_weights().items()}
        shapes = {name: value.shape for name, value in named.items()}
        task.take_weights(Tensors(shapes, named.get), "elsewhere")
    experiment = FINE_TUNING.replace(
        optimizer=FINE_TUNING.optimizer.replace(schedule="constant", warmup_steps=0),
        train=FINE_TUNING.train.replace(epochs=0.1, frozen=frozen),
    )
    with caplog.at_level(logging.INFO):
        learn(task, experiment, TRAIN, VALID)
    assert float(task.optimizer.learning_rate) == pytest.approx(rate)
    what = "have learnt" if rate == 5e-5 else "are new"
    assert f"learning rate {rate:g}: the weights that are trained {what}" in caplog.text

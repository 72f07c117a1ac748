"""Objectives by their names: which there are, their options, one from outside."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from massivetext_keras.data import OBJECTIVES, make_objective
from massivetext_keras.data.objectives.base import Objective
from massivetext_keras.experiment import ExperimentConfig
from massivetext_keras.tasks import CausalLM, MaskedLM, Seq2SeqLM, TextClassifier
from massivetext_keras.tokenizers import ByteTokenizer
from massivetext_keras.training import train
from massivetext_keras.training.pretraining import with_vocabulary
from tests.tasks.tiny import ENCODER, TINY

pytestmark = pytest.mark.usefixtures("without_xla")

TEXT = "the cat sat on the mat, the dog sat on the log.\n" * 20
NAMES = {
    "causal": "decoder",
    "prefix": "prefix",
    "masked": "encoder",
    "replaced": "encoder",
    "contrast": "encoder",
    "pairs": "encoder_decoder",
    "spans": "encoder_decoder",
    "infilling": "encoder_decoder",
}
OUTSIDE = '''
import dataclasses

from massivetext_keras.data import objective, training_batches, validation_batches
from massivetext_keras.data import Objective


@objective("backwards")
@dataclasses.dataclass(frozen=True)
class Backwards(Objective):
    """Texts are learnt from their ends."""

    batches = "next tokens"
    stride: int = 1

    def training(self, task, items, how):
        row = task.token_row(items, how.progress)[:: -self.stride]
        length = how.length or task.config.max_length
        return training_batches(row, how.rows, length, how.seed, how.start)

    def validation(self, task, items, how):
        row = task.token_row(items, False)[:: -self.stride]
        return validation_batches(row, how.rows, how.length)
'''


def lm(**options) -> CausalLM:
    config = TINY.replace(vocabulary_size=259, num_layers=1, **options)
    return CausalLM(config, ByteTokenizer())


def test_the_table_has_them_all():
    assert set(NAMES) <= set(OBJECTIVES)
    for name in NAMES:
        found = make_objective(name)
        assert isinstance(found, Objective) and found.name == name
        assert type(found).from_dict(found.to_dict()) == found


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("masekd", {}, ValueError, "unknown objective 'masekd': did you mean 'masked'"),
        ("masked", {"rate": 1}, ValueError, "unknown field of Masked 'rate'"),
        ("masked", {"mask_rate": 1.5}, ValueError, r"mask_rate must be in \(0, 1\)"),
        ("spans", {"mean_length": "x"}, TypeError, "Spans.mean_length must be float"),
        ("no_such.module:Mine", {}, ValueError, "No module named 'no_such'"),
        ("json:JSONDecoder", {}, ValueError, "decorate it with @objective"),
    ],
)
def test_what_is_wrong_is_named(name, options, error, message):
    with pytest.raises(error, match=message):
        make_objective(name, options)


def test_an_objective_from_outside_is_learnt(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    task = lm()
    how = {"batch_size": 1, "sequence_length": 8, "validation_fraction": 0.0}
    texts = [{"text": "abcdefgh" * 4}]
    forward, _ = task.datasets(texts, progress=False, **how)
    objective = "theirs:Backwards"
    batches, _ = task.datasets(
        texts, objective=objective, stride=1, progress=False, **how
    )
    (_, ahead, _), (_, back, _) = next(iter(forward)), next(iter(batches))
    steps = np.diff(ahead.numpy()[0]), np.diff(back.numpy()[0])
    assert set(steps[0]) <= {1, -7} or 2 in ahead.numpy()
    assert -1 in steps[1] and 1 not in steps[1]
    with pytest.raises(TypeError, match="has no 'strid': did you mean 'stride'"):
        task.datasets(texts, objective=objective, strid=2, **how)


def test_a_task_learns_from_batches_of_its_own_kind():
    masked = MaskedLM(ENCODER.replace(vocabulary_size=260), ByteTokenizer())
    with pytest.raises(ValueError, match="MaskedLM does not learn from objective"):
        masked.datasets(["a b c"], objective="causal")
    with pytest.raises(ValueError, match="needs stack='prefix', not 'decoder'"):
        lm().datasets(["a b c"], objective="prefix")
    classifier = TextClassifier(
        ENCODER.replace(vocabulary_size=259), ByteTokenizer(), labels=["a", "b"]
    )
    with pytest.raises(ValueError, match="TextClassifier does not learn from .*labels"):
        classifier.datasets([("a", "b")], objective="masked")


def test_options_by_name_are_those_of_the_objective():
    masked = MaskedLM(ENCODER.replace(vocabulary_size=260), ByteTokenizer())
    how = {"batch_size": 2, "sequence_length": 16, "validation_fraction": 0.0}
    texts = [{"text": TEXT}]
    found = [
        next(iter(masked.datasets(texts, progress=False, **how, **options)[0]))
        for options in (
            {"mask_rate": 0.5},
            {"objective": "masked", "mask_rate": 0.5},
            {"objective": make_objective("masked", {"mask_rate": 0.5})},
            {},
        )
    ]
    for other in found[1:3]:
        for a, b in zip(tf.nest.flatten(found[0]), tf.nest.flatten(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert found[0][1].shape[1] > found[3][1].shape[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_run_learns_from_it(tmp_path, name):
    """What `massivetext train` does with `--set=data.objective=NAME`."""
    stack, data = NAMES[name], tmp_path / "text.txt"
    data.write_text(TEXT)
    task, model = None, {"stack": stack, "num_layers": 1}
    options = {"itself": True} if name == "contrast" else {}
    if name == "contrast":
        task = "TextEmbedder"
    if name == "replaced":
        task = "ReplacedTokenDetector"
    if name == "pairs":
        data = tmp_path / "pairs.tsv"
        data.write_text("a cat\teine Katze\na dog\tein Hund\nthe\tdie\n" * 4)
    if stack == "encoder_decoder":
        model["num_decoder_layers"] = 1
    small = {"hidden_size": 8, "num_heads": 2, "intermediate_size": 16}
    experiment = ExperimentConfig.from_dict(
        {
            "model": {**model, **small, "max_length": 32},
            "task": {"name": task},
            "data": {
                "objective": name,
                "objective_options": options,
                "batch_size": 2,
                "sequence_length": 24,
                "validation_fraction": 0.2,
            },
            "train": {"steps": 2, "precision": "float32", "sample_every": 0},
        }
    )
    experiment = with_vocabulary(experiment, ByteTokenizer())
    trained = train(experiment, [str(data)], ByteTokenizer(), tmp_path / "run")
    assert int(trained.optimizer.iterations.numpy()) == 2
    assert np.isfinite(float(trained.loss_tracker.result()))
    written = ExperimentConfig.from_dict(
        json.loads((tmp_path / "run" / "experiment.json").read_text())
    )
    assert written.data.objective == name
    whole = json.loads(json.dumps(make_objective(name, options).to_dict()))
    assert written.data.objective_options == whole
    kinds = {"encoder_decoder": Seq2SeqLM, "prefix": CausalLM, "decoder": CausalLM}
    assert isinstance(trained, kinds.get(stack, type(trained)))

"""Configs are values: checked, hashed, replaced by path, stored as JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.architecture.shapes import preset
from massivetext_keras.experiment import (
    FINE_TUNING,
    DataConfig,
    ExperimentConfig,
    OptimizerConfig,
    TaskConfig,
    TrainConfig,
)
from massivetext_keras.support.values import Config


@dataclasses.dataclass(frozen=True)
class Sizes(Config):
    sizes: tuple[int, ...] = (1, 2)
    share: float | None = None


@pytest.mark.parametrize(
    "config",
    [
        TransformerConfig(num_key_value_heads=4, dropout=0.25, window=7),
        preset("llama_1b"),
        ExperimentConfig(data=DataConfig(batch_size=3), model=preset("gpt_nano")),
        Sizes((3, 4, 5), 0.5),
        TrainConfig(callbacks=["a:B", {"name": "c:D", "sizes": [1, 2]}]),
    ],
)
def test_json_round_trip_gives_the_same_value(config):
    again = type(config).from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)


def test_to_dict_is_plain_and_nested():
    values = ExperimentConfig().to_dict()
    assert values["optimizer"]["beta_2"] == 0.95
    assert values["model"]["hidden_size"] == 768
    assert list(values) == [
        *("model", "task", "tokenizer", "data", "optimizer", "train", "privacy")
    ]


def test_missing_names_keep_their_defaults():
    config = ExperimentConfig.from_dict({"data": {"batch_size": 2}})
    assert config == ExperimentConfig(data=DataConfig(batch_size=2))


def test_lists_become_tuples_and_whole_numbers_floats():
    assert Sizes([7, 8]).sizes == (7, 8)
    rate = OptimizerConfig(learning_rate=1).learning_rate
    assert (rate, type(rate)) == (1.0, float)
    assert type(Sizes(share=2).share) is float
    assert OptimizerConfig(clip_norm=None).clip_norm is None


def test_configs_are_frozen_and_hash_by_value():
    config = TransformerConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_layers = 3
    scaled = {"rope_type": "linear", "factor": 2.0}
    table = {TransformerConfig(rope_scaling=dict(scaled)): "a"}
    assert table[TransformerConfig(rope_scaling=dict(scaled))] == "a"
    assert TransformerConfig() != TransformerConfig(num_layers=13)
    assert len({hash(TransformerConfig(num_layers=n)) for n in range(1, 9)}) == 8


@pytest.mark.parametrize(
    ("assignment", "path", "expected"),
    [
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", 1e-3),
        ("optimizer.clip_norm=null", "optimizer.clip_norm", None),
        ("model.gated=true", "model.gated", True),
        ("model.norm=rms_norm", "model.norm", "rms_norm"),
        ('model.norm="rms_norm"', "model.norm", "rms_norm"),
        (
            'model.rope_scaling={"rope_type": "a=b"}',
            "model.rope_scaling",
            {"rope_type": "a=b"},
        ),
        (" data.seed = 5", "data.seed", 5),
    ],
)
def test_override_reads_the_value_as_json_if_it_is(assignment, path, expected):
    config = ExperimentConfig().override(assignment)
    part, name = path.split(".")
    assert getattr(getattr(config, part), name) == expected
    others = [f.name for f in dataclasses.fields(config) if f.name != part]
    assert all(getattr(config, n) == getattr(ExperimentConfig(), n) for n in others)


@pytest.mark.parametrize(
    ("assignment", "error", "message"),
    [
        ("optimizer.learning_rat=1", ValueError, "did you mean 'learning_rate'"),
        ("optimiser.learning_rate=1", ValueError, "did you mean 'optimizer'"),
        ("data.seed.x=1", ValueError, "'seed' has no fields"),
        ("data.seed", ValueError, "field=value"),
        ("data.seed=1.5", TypeError, "DataConfig.seed must be int, got 1.5"),
        ("data.seed=true", TypeError, "must be int, got True"),
        ("data.seed=abc", TypeError, "must be int, got 'abc'"),
        ("model.norm=rmsnorm", ValueError, "did you mean 'rms_norm'"),
        ("model.dropout=1.0", ValueError, r"dropout must be in \[0, 1\), got 1.0"),
        ("train.steps=-5", ValueError, "TrainConfig.steps must be at least 0, got -5"),
        ("train.epochs=0", ValueError, "epochs must be positive, got 0"),
        ("train.checkpoint_every=0", ValueError, "checkpoint_every must be positive"),
        ("train.micro_batches=0", ValueError, "micro_batches must be positive, got 0"),
        ("data.batch_size=0", ValueError, "batch_size must be positive, got 0"),
        ("data.batch_tokens=-1", ValueError, "batch_tokens must be positive, got -1"),
        ("data.sequence_length=0", ValueError, "sequence_length must be positive"),
        ("data.validation_fraction=2", ValueError, r"must be in \[0, 1\), got 2.0"),
        ("optimizer.warmup_steps=-1", ValueError, "warmup_steps must be at least 0"),
        ("optimizer.weight_decay=-0.1", ValueError, "weight_decay must be at least 0"),
        ("optimizer.beta_2=1", ValueError, r"beta_2 must be in \[0, 1\), got 1.0"),
        ("optimizer.clip_norm=0", ValueError, "clip_norm must be positive, got 0.0"),
        ("optimizer.layer_decay=2", ValueError, r"layer_decay must be in \(0, 1\]"),
        ("task.label_smoothing=1", ValueError, r"label_smoothing must be in \[0, 1\)"),
        ("model=3", TypeError, "model must be ModelConfig, got 3"),
        (
            "data.objective_options.spans.mean=3",
            ValueError,
            "'spans' has no fields of its own",
        ),
    ],
)
def test_override_names_what_is_wrong(assignment, error, message):
    with pytest.raises(error, match=message):
        ExperimentConfig().override(assignment)


def test_options_of_the_task_and_of_the_objective_are_set_by_their_names():
    config = ExperimentConfig().override(
        "task.name=TextClassifier",
        "task.r_drop=1.5",
        "data.objective=spans",
        "data.objective_options.mean_length=5",
    )
    config = config.override("data.objective_options.density=0.2")
    assert config.task == TaskConfig("TextClassifier", options={"r_drop": 1.5})
    assert config.to_dict()["task"]["r_drop"] == 1.5
    assert config.data.objective_options == {"mean_length": 5, "density": 0.2}
    assert ExperimentConfig.from_dict(config.to_dict()) == config


def test_what_is_said_stands_instead_of_what_it_would_follow_from():
    assert FINE_TUNING.planned(20).train.steps == 60
    assert FINE_TUNING.planned(20).optimizer.warmup_steps == 6
    said = FINE_TUNING.override("train.steps=7", "optimizer.warmup_steps=2")
    assert said.train.epochs is said.optimizer.warmup_fraction is None
    planned = said.planned(20)
    assert (planned.train.steps, planned.optimizer.warmup_steps) == (7, 2)
    with pytest.raises(ValueError, match="train.epochs is for examples"):
        FINE_TUNING.planned()
    timed = FINE_TUNING.override("train.minutes=5")
    assert timed.train.epochs is None
    planned = timed.planned(20).train
    assert (planned.minutes, planned.evaluate_every) == (5, 20)
    assert timed.override("train.steps=7").train.minutes is None
    assert timed.override("train.epochs=2").train.minutes is None


def test_a_file_of_before_says_the_task_where_it_did():
    old = ExperimentConfig().to_dict()
    del old["task"]
    old["train"]["task"] = "MaskedLM"
    assert ExperimentConfig.from_dict(old).task.name == "MaskedLM"


def test_unknown_names_are_errors_everywhere():
    with pytest.raises(ValueError, match="did you mean 'num_layers'"):
        TransformerConfig.from_dict({"num_layer": 3})
    with pytest.raises(ValueError, match="did you mean 'batch_size'"):
        ExperimentConfig.from_dict({"data": {"batchsize": 3}})
    with pytest.raises(ValueError, match="did you mean 'num_heads'"):
        TransformerConfig().replace(num_head=3)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"num_layers": "12"}, TypeError, "num_layers must be int, got '12'"),
        ({"gated": 1}, TypeError, "gated must be bool, got 1"),
        ({"dropout": "0.1"}, TypeError, "dropout must be float, got '0.1'"),
        ({"head_size": 1.5}, TypeError, "head_size must be"),
        ({"rope_scaling": [1]}, TypeError, "rope_scaling must be"),
        ({"activation": "gelu_tan"}, ValueError, "did you mean 'gelu_tanh'"),
        ({"position": "rotery"}, ValueError, "did you mean 'rotary'"),
        ({"stack": "decode"}, ValueError, "did you mean 'decoder'"),
        ({"norm_position": "prae"}, ValueError, "did you mean 'pre'"),
        ({"hidden_size": 0}, ValueError, "hidden_size must be positive, got 0"),
        ({"num_layers": -1}, ValueError, "num_layers must be positive, got -1"),
        ({"attention_dropout": -0.1}, ValueError, "attention_dropout must be in"),
        ({"num_heads": 7}, ValueError, "768 is not a multiple of num_heads 7"),
        ({"num_key_value_heads": 5}, ValueError, "not a multiple of"),
        ({"position": "rotary", "head_size": 3}, ValueError, "even width, got 3"),
        ({"intermediate_size": 0}, ValueError, "intermediate_size must be positive"),
        ({"max_length": 0}, ValueError, "max_length must be positive"),
        ({"num_key_value_heads": 0}, ValueError, "num_key_value_heads must be pos"),
        ({"num_key_value_heads": -2}, ValueError, "num_key_value_heads must be pos"),
        ({"head_size": -4}, ValueError, "head_size must be positive"),
        ({"window": 0}, ValueError, "window must be positive"),
    ],
)
def test_shapes_that_cannot_be_are_errors(values, error, message):
    with pytest.raises(error, match=message):
        TransformerConfig(**values)


def test_a_head_size_of_its_own_need_not_divide():
    config = TransformerConfig(hidden_size=10, num_heads=3, head_size=8)
    assert (config.width_of_head, config.key_value_heads) == (8, 3)
    assert TransformerConfig(dropout=0.2).attention_dropout_rate == 0.2
    no_weights = TransformerConfig(dropout=0.2, attention_dropout=0.0)
    assert no_weights.attention_dropout_rate == 0.0

"""What the verbs share."""

from __future__ import annotations

import json
from typing import Any

from massivetext_keras.experiment import ExperimentConfig

# name -> flag, and each value as an attribute, as `absl.flags.FlagValues` has them.
Values = Any

# Flags that are fields of the experiment.
_FIELDS = {
    "task": "task.name",
    "adapters": "task.adapters",
    "rank": "task.adapter_rank",
    "steps": "train.steps",
    "epochs": "train.epochs",
    "keep_best": "train.keep_best",
    "batch_size": "data.batch_size",
    "validation_fraction": "data.validation_fraction",
    "learning_rate": "optimizer.learning_rate",
    "sequence_length": "data.sequence_length",
    "checkpoint_every": "train.checkpoint_every",
    "seed": "train.seed",
    "strategy": "train.strategy",
}


class UsageError(Exception):
    """The command line is wrong; the program exits with 2."""


def tokenizer_named(name: str):
    """The tokenizer that --tokenizer names."""
    from massivetext_keras import tokenizers

    return tokenizers.ByteTokenizer() if name == "bytes" else tokenizers.load(name)


def need_tokenizer(tokenizer) -> None:
    """Refuses to train from a shape without a tokenizer."""
    if tokenizer is None:
        raise UsageError(
            "--tokenizer is needed to train from a shape: a folder written by "
            "`massivetext tokenizer train`, or bytes"
        )


def experiment_of(values: Values, experiment: ExperimentConfig) -> ExperimentConfig:
    """Default < preset < --config < a flag of its own < --set.

    Args:
        values: of the flags.
        experiment: the default.

    Raises:
        UsageError: a setting is unknown or wrong.
    """
    from massivetext_keras.architecture import shapes as presets

    if values.preset in presets.PRESETS:
        experiment = experiment.replace(model=presets.preset(values.preset))
    if values.config:
        try:
            experiment = _merged(experiment, _read_config(values.config))
        except TypeError as error:
            raise ValueError(f"{values.config}: {error}") from None
    given = [
        f"{path}={json.dumps(values[name].value)}"
        for name, path in _FIELDS.items()
        if name in values and values[name].present
    ]
    try:
        return experiment.override(*given).override(*values.set)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


def _read_config(path: str) -> dict:
    """The sections of an `experiment.json`."""
    with open(path) as file:
        try:
            given = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(given, dict) or not all(
        isinstance(fields, dict) for fields in given.values()
    ):
        raise ValueError(f"{path} is not an object of sections with fields")
    return given


def _merged(experiment: ExperimentConfig, given: dict) -> ExperimentConfig:
    merged = experiment.to_dict()
    for section, fields in given.items():
        merged.setdefault(section, {}).update(fields)
    return ExperimentConfig.from_dict(merged)

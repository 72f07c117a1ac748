"""Settings of a run: default < preset < --config < a flag of its own < --set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from massivetext_keras.architecture.sources import described, is_shape
from massivetext_keras.cli.flags import UsageError
from massivetext_keras.experiment import ExperimentConfig

# What several verbs take.
Preset = Annotated[
    str,
    "a name that `presets` lists, package.module:NAME of a shape from elsewhere, a "
    f"preset folder, {described()}",
]
Data = Annotated[str, "text: files, globs and folders, by commas"]
Examples = Annotated[str, "examples: files, globs and folders, by commas"]
TaskName = Annotated[
    str,
    "CausalLM, MaskedLM and so on (default: that of the folder, or the language model "
    "for the preset)",
]
TokenizerName = Annotated[str, "folder of `tokenizer train`, or `bytes`"]
RunFolder = Annotated[str, "folder of logs, checkpoints and, in the end, a preset"]
ConfigFile = Annotated[str, "experiment.json of another run, to start from"]
Overwrite = Annotated[bool, "replace what is there"]


def files_in(text: str) -> list[str]:
    """Names of files and patterns that were given by commas."""
    return text.split(",")


def texts_in(text: str) -> list[str]:
    """Documents of files, but for empty ones.

    Raises:
        ValueError: there is none.
    """
    from massivetext_keras import corpus

    found = [x for x in corpus.read_documents(files_in(text)) if x.strip()]
    if not found:
        raise ValueError(f"{text}: there is no text")
    return found


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


def experiment_of(
    default: ExperimentConfig,
    preset: str,
    config: str | None,
    fields: Mapping[str, Any],
    changes: Sequence[str],
) -> ExperimentConfig:
    """The settings that a command line asks for.

    Args:
        default: where nothing else says more.
        preset: of `--preset`; a shape is the default of the model.
        config: of `--config`.
        fields: "section.field" -> value of flags that were given.
        changes: of `--set`.

    Raises:
        UsageError: a setting is unknown or wrong.
        ValueError: the file has none, or wrong ones.
    """
    from massivetext_keras.architecture import shapes

    experiment = default
    if is_shape(preset):
        experiment = experiment.replace(model=shapes.preset(preset))
    if config:
        try:
            experiment = _merged(experiment, _read_config(config))
        except TypeError as error:
            raise ValueError(f"{config}: {error}") from None
    given = [f"{path}={json.dumps(value)}" for path, value in fields.items()]
    try:
        return experiment.override(*given).override(*changes)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None


def _read_config(path: str) -> Mapping[str, Mapping[str, Any]]:
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
    return ExperimentConfig.migrated(given)


def _merged(
    experiment: ExperimentConfig, given: Mapping[str, Mapping[str, Any]]
) -> ExperimentConfig:
    merged = experiment.to_dict()
    for section, fields in given.items():
        merged.setdefault(section, {}).update(fields)
    return ExperimentConfig.from_dict(merged)

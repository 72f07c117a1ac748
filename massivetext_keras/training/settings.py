"""What has to be equal for a run to go on, in checkpoints of older versions too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from massivetext_keras import tokenizers
from massivetext_keras.data.objectives.base import make_objective
from massivetext_keras.experiment import ExperimentConfig, TaskConfig, TokenizerConfig
from massivetext_keras.tasks.base import Task
from massivetext_keras.tokenizers.training import KINDS

# Fields of TrainConfig that may change when a run goes on: how long it is, where and
# how it is computed, and what is recorded of it.
_FREE = (
    *("steps", "minutes", "micro_batches", "recompute", "xla", "steps_per_execution"),
    *("strategy", "evaluate_every", "checkpoint_every", "sample_every", "callbacks"),
    *("mesh", "shard_state", "shard_sequence", "logical_cpus"),
)


def complete(
    experiment: ExperimentConfig, task: Task, fingerprint: str
) -> ExperimentConfig:
    """An experiment with all that a run makes of it: what `experiment.json` says.

    Args:
        experiment: as it was asked for; its `model` is the task's config.
        task: compiled, with its tokenizer.
        fingerprint: of the data.
    """
    rows = experiment.data
    options = dict.fromkeys(task.options) | task.chosen()
    objective = task.data.objective_named(rows.objective, rows.objective_options)
    if objective is not None:
        rows = rows.replace(
            objective=rows.objective or task.data.own_objective,
            objective_options=objective.to_dict(),
        )
    return experiment.replace(
        task=TaskConfig(
            name=task.registered_name(),
            label_smoothing=getattr(task, "label_smoothing", 0.0),
            adapters=experiment.task.adapters,
            adapter_rank=experiment.task.adapter_rank,
            adversarial=experiment.task.adversarial,
            adversarial_weight=experiment.task.adversarial_weight,
            virtual=experiment.task.virtual,
            options=json.loads(json.dumps(options)),  # no values of Keras's own
        ),
        tokenizer=described_tokenizer(task.need_tokenizer()),
        data=rows.replace(text=fingerprint),
    )


def described_tokenizer(tokenizer: tokenizers.Tokenizer) -> TokenizerConfig:
    """The tokenizer that a run has.

    >>> described_tokenizer(tokenizers.ByteTokenizer()).kind
    'bytes'
    """
    kinds = {cls: kind for kind, cls in KINDS.items()}
    return TokenizerConfig(
        kind=kinds.get(type(tokenizer), type(tokenizer).__name__),
        vocabulary_size=tokenizer.vocabulary_size,
        model_type=None,
        split=None,
        spelled=None,
        fingerprint=tokenizer.fingerprint,
    )


def settings_of(experiment: ExperimentConfig, task: Task) -> dict[str, dict[str, Any]]:
    """What has to be equal for a run to go on, section -> field -> value.

    Args:
        experiment: see `complete`.
        task: which also says which weights it trains.
    """
    described = experiment.to_dict()
    train = {k: v for k, v in described["train"].items() if k not in _FREE}
    adapters = ("adapters", "adapter_rank")  # the task says which there are
    asked = {k: v for k, v in described["task"].items() if k not in adapters}
    return {
        "optimizer": described["optimizer"],
        "data": described["data"],
        "train": {**train, "precision": task.dtype_policy.name},
        "task": {
            **asked,
            **task.training_settings(),
            "objective": task.data.own_objective,
        },
        "tokenizer": {"fingerprint": described["tokenizer"]["fingerprint"]},
        "privacy": {k: v for k, v in described["privacy"].items() if k != "epsilon"},
    }


def differences(
    there: Mapping[str, Mapping[str, Any]], here: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Which settings are not what they were, one line each.

    What an older version did not write down is not compared.

    Args:
        there: of a checkpoint, section -> field -> value.
        here: of the run that shall go on.

    >>> differences({"data": {"seed": 1}}, {"data": {"seed": 2, "objective": "masked"}})
    ['data.seed is 1 there and 2 here']
    """
    known = {section: dict(fields) for section, fields in there.items()}
    if "task" in known.get("train", {}):  # where the name was
        name = known["train"].pop("task")
        known.setdefault("task", {})["name"] = name
    own, rows = here.get("task", {}).get("objective"), known.get("data", {})
    if own is not None and "objective" not in rows:  # there was no other
        rows |= {"objective": own, "objective_options": make_objective(own).to_dict()}
    return [
        f"{path} is {old!r} there and {new!r} here"
        for section, fields in here.items()
        for name, value in fields.items()
        if name in known.get(section, {})
        for path, old, new in _unequal(f"{section}.{name}", known[section][name], value)
    ]


def _unequal(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ; of two tables each field that does."""
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict) and old and new):
        yield path, old, new
        return
    for name in {**old, **new}:
        yield from _unequal(f"{path}.{name}", old.get(name), new.get(name))

"""How the flags say what is learnt from which examples."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from massivetext_keras.experiment import FINE_TUNING, ExperimentConfig
from massivetext_keras.support.values import nearest
from massivetext_keras.verbs.common import (
    UsageError,
    Values,
    experiment_of,
    need_tokenizer,
    tokenizer_named,
)

logger = logging.getLogger(__name__)


class Learning(NamedTuple):
    """What the flags of `finetune` say.

    Attributes:
        cls: of the task.
        preset: that it starts from.
        tokenizer: None for the preset's own.
        options: of the task, and fields of its model that are not the preset's.
        experiment: all other settings.
        strategy: of tf.distribute.
        train: examples.
        validation: more of them, or None.
    """

    cls: Any
    preset: str
    tokenizer: Any
    options: dict[str, Any]
    experiment: ExperimentConfig
    strategy: Any
    train: list
    validation: list | None

    def run(
        self, train: Sequence, validation: Sequence | None, **arguments
    ) -> tuple[Any, dict[str, float]]:
        """A task that has learnt examples, and its measures on others.

        Args:
            train: examples.
            validation: more of them, or None.
            **arguments: for `training.learn`.
        """
        import keras

        from massivetext_keras import training

        keras.utils.set_random_seed(self.experiment.train.seed)
        with contextlib.redirect_stdout(sys.stderr):  # what Keras prints is no result
            with self.strategy.scope():
                task = self.cls.from_preset(self.preset, self.tokenizer, **self.options)
            measures = training.learn(
                task,
                self.experiment.replace(model=task.config),
                train,
                validation,
                **arguments,
            )
        return task, measures


def learning_of(values: Values) -> Learning:
    """What the flags of `finetune` say; the examples are read."""
    from massivetext_keras import tasks, training
    from massivetext_keras.architecture import shapes as presets
    from massivetext_keras.tasks.registry import check_options

    tasks.task_class(values.preset)  # a wrong name is said before all the reading
    cls, experiment = class_named(values.task), experiment_of(values, FINE_TUNING)
    settings = experiment.train
    strategy = training.make_strategy(settings.strategy)
    tokenizer = None if values.tokenizer is None else tokenizer_named(values.tokenizer)
    if values.preset in presets.PRESETS:
        need_tokenizer(tokenizer)
    train, validation = (
        None if files is None else cls.read_examples(files.split(","), **how_of(values))
        for files in (values.data, values.validation)
    )
    given = options_of(cls, values.option)
    asked = experiment.task.replace(options=experiment.task.options | given)
    check_options(cls, asked.options)
    experiment = experiment.replace(task=asked.replace(options={}))
    options = cls.options_for(train) | asked.options
    changed = (word.partition("=")[0].strip() for word in values.set)
    for name in (path.removeprefix("model.") for path in changed if "model." in path):
        options[name] = getattr(experiment.model, name)
    precision = training.set_precision(settings.precision)
    logger.info("%d examples, computing in %s", len(train), precision)
    return Learning(
        cls,
        values.preset,
        tokenizer,
        options,
        experiment,
        strategy,
        train,
        validation,
    )


def class_named(name: str):
    """The class of a task that learns from examples."""
    from massivetext_keras import tasks

    cls = tasks.task_class("", name)
    if not issubclass(cls, tasks.FromExamples):
        known = [k for k, v in tasks.TASKS.items() if issubclass(v, tasks.FromExamples)]
        raise UsageError(f"--task={name} learns from no examples: {nearest('', known)}")
    return cls


def task_of(values: Values):
    """The task of --preset, with what --option changes."""
    from massivetext_keras import tasks

    cls = class_named(tasks.task_class(values.preset, values.task).__name__)
    return cls.from_preset(values.preset, **options_of(cls, values.option))


def how_of(values: Values) -> dict[str, Any]:
    """How the flags say that files are read."""
    columns = {}
    for pair in filter(None, (values.columns or "").split(",")):
        field, equals, name = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--columns={values.columns}: give FIELD=NAME or =NUMBER")
        columns[field] = int(name) if name.lstrip("-").isdecimal() else name
    how = {"format": values.format, "encoding": values.encoding}
    return {**how, "columns": columns, "strict": values.strict}


def options_of(cls, pairs: Iterable[str]) -> dict[str, Any]:
    """Options of a task, their values read as JSON if they are."""
    from massivetext_keras.tasks.registry import check_options

    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--option={pair} is not of the form name=value")
        with contextlib.suppress(json.JSONDecodeError):
            text = json.loads(text)
        try:
            check_options(cls, {name: text})
        except ValueError as error:
            raise UsageError(f"--option={pair}: {error}") from None
        options[name] = text
    return options


def print_measures(measures: Mapping[str, float]) -> None:
    for name, value in measures.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        print(f"{name:<20} {text}")

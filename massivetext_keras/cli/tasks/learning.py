"""What a task learns, from which examples and how: as `finetune` and `tune` take it."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from massivetext_keras.cli.flags import Given, given
from massivetext_keras.cli.settings import (
    ConfigFile,
    Examples,
    Preset,
    TokenizerName,
    experiment_of,
    files_in,
    need_tokenizer,
    tokenizer_named,
)
from massivetext_keras.cli.tasks.examples import (
    Options,
    class_named,
    options_of,
    reading_of,
)
from massivetext_keras.experiment import FINE_TUNING, ExperimentConfig

logger = logging.getLogger(__name__)


class Learning(NamedTuple):
    """What is learnt, from which examples, and how.

    Attributes:
        cls: of the task.
        preset: that it starts from.
        tokenizer: None for the preset's own.
        options: of the task, and fields of its model that are not the preset's.
        experiment: all other settings.
        strategy: of tf.distribute, or a mesh.
        train: examples.
        validation: more of them, or None.
        about: what a report says of it.
    """

    cls: Any
    preset: str
    tokenizer: Any
    options: dict[str, Any]
    experiment: ExperimentConfig
    strategy: Any
    train: list
    validation: list | None
    about: dict[str, Any]

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


def learning_of(
    *,
    task: str,
    preset: Preset,
    data: Examples,
    validation: str | None = None,
    reading: Given = given(reading_of),
    option: Options = (),
    tokenizer: TokenizerName | None = None,
    fields: Given = given(
        FINE_TUNING,
        "train.epochs",
        "data.batch_size",
        "optimizer.learning_rate",
        "data.sequence_length",
        "data.validation_fraction",
        "train.seed",
        "train.strategy",
        "train.mesh",
        "train.shard_state",
        "train.shard_sequence",
        "train.keep_best",
        "task.adapters",
        "task.adversarial",
        "task.adversarial_weight",
        "task.virtual",
        rank="task.adapter_rank",
    ),
    config: ConfigFile | None = None,
    set: Sequence[str] = (),
) -> Learning:
    """What is learnt; the examples are read.

    Args:
        task: TextClassifier, TokenClassifier, QuestionAnswerer, Seq2SeqLM or CausalLM.
        validation: more examples, to measure on (default: some of --data).
        epochs: how often every example is seen.
        adapters: train adapters alone, and the head: beside products whose path this
            pattern is found in, as attention|feed_forward.
        adversarial: add the loss of texts whose token vectors are changed for the worse
            by so much, as a multiple of their mean norm (0: none).
        adversarial_weight: of that loss.
        virtual: the loss is how far the answers move, whatever the labels are.
        tokenizer: folder of `tokenizer train`, or `bytes` (default: that of the
            preset).
        set: any setting, as optimizer.layer_decay=0.9; may repeat.
    """
    from massivetext_keras import tasks, training
    from massivetext_keras.architecture.sources import is_shape
    from massivetext_keras.tasks.registry import check_options
    from massivetext_keras.training.callbacks.registry import check_callbacks

    tasks.task_class(preset)  # a wrong name is said before all the reading
    cls = class_named(task)
    fields = {"task.name": task, **fields}
    experiment = experiment_of(FINE_TUNING, preset, config, fields, set)
    settings = experiment.train
    check_callbacks(settings.callbacks)
    strategy = training.make_devices(*settings.devices)
    own = None if tokenizer is None else tokenizer_named(tokenizer)
    if is_shape(preset):
        need_tokenizer(own)
    how = reading_of(**reading)
    train = cls.read_examples(files_in(data), **how)
    held_out = None
    if validation is not None:
        held_out = cls.read_examples(files_in(validation), **how)
    asked = experiment.task.options | options_of(cls, option)
    check_options(cls, asked)
    experiment = experiment.replace(task=experiment.task.replace(options={}))
    options = cls.options_for(train) | asked
    changed = (word.partition("=")[0].strip() for word in set)
    for name in (path.removeprefix("model.") for path in changed if "model." in path):
        options[name] = getattr(experiment.model, name)
    precision = training.set_precision(settings.precision)
    logger.info("%d examples, computing in %s", len(train), precision)
    return Learning(
        cls,
        preset,
        own,
        options,
        experiment,
        strategy,
        train,
        held_out,
        {
            "task": task,
            "preset": preset,
            "data": data,
            "validation": validation,
            "adapters": experiment.task.adapters,
        },
    )

"""A whole run from a config: what `massivetext train` does, in Python."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path

import keras
import tensorflow as tf

from massivetext_keras import corpus, data
from massivetext_keras.distribution.strategy import make_strategy
from massivetext_keras.experiment import DataConfig, ExperimentConfig
from massivetext_keras.optimization.optimizers import from_config
from massivetext_keras.optimization.precision import set_precision
from massivetext_keras.tasks import FROM_TEXT, task_class
from massivetext_keras.tasks.base import Task
from massivetext_keras.training.run import check_counts, run

logger = logging.getLogger(__name__)


def train(
    experiment: ExperimentConfig,
    files,
    tokenizer,
    run_dir: str | Path,
    preset: str | None = None,
    resume: bool = True,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    strategy: tf.distribute.Strategy | None = None,
) -> Task:
    """Trains a task on text files; the run's folder is a preset when it ends.

    The folder gets `experiment.json`, TensorBoard's `train` and `validation`,
    `checkpoints` and, in the end, what `write_summary` and `Task.save_preset` write. A
    run that was killed goes on, called again, to the same weights; one that gets
    SIGTERM or SIGINT saves first (`StopOnSignal`); batches that are not finite are
    skipped (`Guard`). A run that is broken off has its summary too.

    Args:
        experiment: every setting.
        files: paths, globs and folders of text.
        tokenizer: strings to ids; None for that of the preset.
        run_dir: the run's folder.
        preset: weights to start from, as `Task.from_preset` takes them (None:
            random weights of the shape `experiment.model`).
        resume: go on from the newest checkpoint in the folder, if there is one.
        callbacks: more of them.
        strategy: instead of the one that `experiment.train` names; for several workers
            it is to be made before the tokenizer is.

    Returns:
        The trained task.

    Raises:
        ValueError: the text is too short, the task is trained on something else, or
            the checkpoint is of another config.
        FileNotFoundError: a pattern matches nothing.
        OSError: the end of the run could not be saved.
        RuntimeError: too many batches were not finite, or a worker is gone.
        SystemExit: the run was told to stop.
    """
    started = time.perf_counter()
    settings, rows = experiment.train, experiment.data
    check_counts(settings)
    cls = class_for_text(experiment, preset)
    precision = set_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    strategy = strategy or make_strategy(settings.strategy)
    logger.info("computing in %s", precision)
    with strategy.scope():
        if preset is None:
            task = cls(experiment.model, tokenizer)
        else:
            task = cls.from_preset(preset, tokenizer)
        compile_task(task, experiment)
    shards = data.open_shards(files)

    by_tokens = {}
    if rows.batch_tokens is not None:
        if cls.__name__ != "CausalLM":
            raise ValueError(f"data.batch_tokens: {cls.__name__} takes rows: leave it")
        by_tokens["batch_tokens"] = rows.batch_tokens

    def datasets(start):
        return task.datasets(
            shards or files,
            batch_size=rows.batch_size,
            sequence_length=rows.sequence_length,
            validation_fraction=rows.validation_fraction,
            seed=rows.seed,
            start=start,
            **by_tokens,
        )

    run(
        task,
        experiment.replace(model=task.config),
        datasets,
        shards.fingerprint if shards else corpus.fingerprint(files),
        run_dir,
        resume,
        callbacks,
        describe=shards and functools.partial(_records, shards, rows),
        started=started,
    )
    return task


def _records(shards: data.Shards, rows: DataConfig, k: int) -> str:
    """Where the rows of training batch k lie."""
    return ", ".join(shards.examples(k, rows.batch_size, rows.seed))


def class_for_text(experiment: ExperimentConfig, preset: str | None) -> type[Task]:
    """The task that `train` trains.

    Raises:
        ValueError: it is trained on something else than text files.
    """
    source = experiment.model if preset is None else preset
    cls = task_class(source, experiment.train.task)
    if cls.__name__ not in FROM_TEXT:
        raise ValueError(
            f"{cls.__name__} is not trained on text files alone; these are: "
            + ", ".join(FROM_TEXT)
        )
    return cls


def compile_task(task: Task, experiment: ExperimentConfig, **options) -> None:
    """Makes a task ready to be trained as an experiment says.

    Args:
        task: of any kind.
        experiment: every setting.
        **options: more for the task's `compile`.
    """
    settings = experiment.train
    if settings.frozen:
        logger.info("frozen: %d weights", len(task.freeze(settings.frozen)))
    task.compile(
        from_config(experiment.optimizer, settings.steps),
        micro_batches=settings.micro_batches,
        recompute=settings.recompute,
        jit_compile="auto" if settings.xla is None else settings.xla,
        steps_per_execution=settings.steps_per_execution,
        **options,
    )

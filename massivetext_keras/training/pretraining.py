"""Training on text: a whole run from a config, what `massivetext train` does."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path

import keras
import tensorflow as tf

from massivetext_keras import corpus, data
from massivetext_keras.data.objectives.base import OBJECTIVES, make_objective
from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.distribution.strategy import make_devices
from massivetext_keras.experiment import DataConfig, ExperimentConfig
from massivetext_keras.optimization.optimizers import from_config
from massivetext_keras.optimization.precision import set_precision
from massivetext_keras.support.values import choose
from massivetext_keras.tasks import FROM_TEXT, task_class
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.registry import check_options
from massivetext_keras.training.callbacks.registry import check_callbacks
from massivetext_keras.training.run import run
from massivetext_keras.training.unigrams import begin_at_unigrams

logger = logging.getLogger(__name__)


def train(
    experiment: ExperimentConfig,
    files,
    tokenizer,
    run_dir: str | Path,
    preset: str | None = None,
    resume: bool = True,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    strategy: tf.distribute.Strategy | Mesh | None = None,
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
        strategy: or mesh, instead of the one that `experiment.train` names; for several
            workers, or to divide the CPU, it is to be made before the tokenizer is.

    Returns:
        The trained task.

    Raises:
        ValueError: the text is too short, the task is trained on something else, a
            callback is unknown, or the checkpoint is of another config.
        FileNotFoundError: a pattern matches nothing.
        OSError: the end of the run could not be saved.
        RuntimeError: too many batches were not finite, or a worker is gone.
        SystemExit: the run was told to stop.
    """
    started = time.perf_counter()
    experiment = experiment.planned()
    settings, rows = experiment.train, experiment.data
    settings.check_counts()
    check_callbacks(settings.callbacks)
    if experiment.privacy.is_asked_for:
        raise ValueError(
            "privacy is for examples, as `finetune` learns them: rows of text are cut "
            "out of documents, and a bound for a row is none for a document"
        )
    cls = class_for_text(experiment, preset)
    if settings.unigram_bias and preset is not None:
        raise ValueError(
            f"train.unigram_bias is for random weights, and {preset} has learnt some"
        )
    precision = set_precision(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    strategy = strategy or make_devices(*settings.devices)
    logger.info("computing in %s", precision)
    with strategy.scope():
        if preset is None:
            task = cls(experiment.model, tokenizer, **experiment.task.options)
        else:
            task = cls.from_preset(preset, tokenizer, **experiment.task.options)
        prepare(task, experiment)
        task.compile(
            from_config(experiment.optimizer, settings.steps, settings.minutes),
            **experiment.compile_options(),
        )
    experiment = experiment.replace(model=task.config)
    shards = data.open_shards(files)

    def datasets(start: int):
        found = text_batches(task, experiment, shards or files, start=start)
        if settings.unigram_bias and not start:
            begin_at_unigrams(task, found[0])
        return found

    run(
        task,
        experiment,
        datasets,
        shards.fingerprint if shards else corpus.fingerprint(files),
        run_dir,
        resume,
        callbacks,
        describe=functools.partial(_records, shards, rows) if shards else None,
        started=started,
    )
    return task


def text_batches(task: Task, experiment: ExperimentConfig, files, **options):
    """What a task learns of files, and is evaluated with, as an experiment says.

    Args:
        task: of any kind.
        experiment: its `data`.
        files: what `Task.datasets` takes.
        **options: for `Task.datasets`, instead of those of the experiment.
    """
    rows = experiment.data
    objective = None
    if rows.objective or rows.objective_options:
        objective = task.data.objective_named(rows.objective, rows.objective_options)
    given = {
        "batch_size": rows.batch_size,
        "batch_tokens": rows.batch_tokens,
        "sequence_length": rows.sequence_length,
        "validation_fraction": rows.validation_fraction,
        "seed": rows.seed,
        "objective": objective,
    }
    return task.datasets(files, **given | options)


def _records(shards: data.Shards, rows: DataConfig, k: int) -> str:
    """Where the rows of training batch k lie."""
    return ", ".join(shards.examples(k, rows.batch_size, rows.seed))


def class_for_text(experiment: ExperimentConfig, preset: str | None) -> type[Task]:
    """The task that `train` trains.

    Raises:
        ValueError: it learns from examples, and no other objective is asked for.
    """
    source = experiment.model if preset is None else preset
    cls = task_class(source, experiment.task.name)
    check_options(cls, experiment.task.options)
    asked = experiment.data.objective
    if asked is None and not cls.data_class.reads_texts():
        raise ValueError(
            f"{cls.__name__} is not trained on text files alone; these are: "
            + ", ".join(FROM_TEXT)
        )
    if asked is not None:
        choose("objective", asked, OBJECTIVES)
    return cls


def with_vocabulary(experiment: ExperimentConfig, tokenizer) -> ExperimentConfig:
    """An experiment whose model embeds what a tokenizer and the objective need."""
    cls, asked = class_for_text(experiment, None), experiment.data.objective
    size = cls.embedded_tokens(tokenizer)
    if asked is not None:
        objective = make_objective(asked, experiment.data.objective_options)
        size += objective.extra_tokens(tokenizer)
    return experiment.replace(model=experiment.model.replace(vocabulary_size=size))


def prepare(task: Task, experiment: ExperimentConfig) -> None:
    """Adds adapters to a task and freezes weights, as an experiment says."""
    wanted = experiment.task
    if wanted.label_smoothing and not hasattr(task, "label_smoothing"):
        raise ValueError(f"task.label_smoothing: {type(task).__name__} has none")
    if wanted.adapters and not task.adapted():
        task.add_adapters(wanted.adapters, rank=wanted.adapter_rank)
    if experiment.train.round_to:
        task.quantization.round_in_training(experiment.train.round_to)
    if experiment.train.frozen:
        frozen = task.freeze(experiment.train.frozen)
        logger.info("frozen: %d weights", len(frozen))

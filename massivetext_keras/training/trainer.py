"""A whole run from a config: what `massivetext train` does, in Python."""

from __future__ import annotations

import functools
import logging
import math
import time
from pathlib import Path

import keras
import tensorflow as tf

from massivetext_keras import corpus, data
from massivetext_keras.configs import DataConfig, ExperimentConfig, TrainConfig
from massivetext_keras.files import write_json
from massivetext_keras.tasks import FROM_TEXT, task_class
from massivetext_keras.tasks.base import Task
from massivetext_keras.training.averaging import AveragedWeights, take_averages
from massivetext_keras.training.callbacks import StepCallback
from massivetext_keras.training.checkpoint import Checkpoint
from massivetext_keras.training.guard import Guard
from massivetext_keras.training.optimization import from_config
from massivetext_keras.training.precision import set_precision
from massivetext_keras.training.progress import Progress
from massivetext_keras.training.signals import StopOnSignal
from massivetext_keras.training.strategy import make_strategy
from massivetext_keras.training.summary import leaving_summary
from massivetext_keras.training.tensorboard import TensorBoard
from massivetext_keras.training.workers import losing_no_worker

logger = logging.getLogger(__name__)

EXPERIMENT = "experiment.json"
# Fields of TrainConfig that may change when a run goes on: how long it is, where and
# how it is computed, and what is recorded of it.
_FREE = (
    *("steps", "micro_batches", "recompute", "xla", "steps_per_execution", "strategy"),
    *("evaluate_every", "checkpoint_every", "sample_every"),
)


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
    _check_counts(settings)
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
    described = experiment.replace(model=task.config).to_dict()
    checkpoint = Checkpoint(
        run_dir,
        settings.checkpoint_every,
        steps=settings.steps,
        settings={
            "optimizer": described["optimizer"],
            "data": {
                **described["data"],
                "text": shards.fingerprint if shards else corpus.fingerprint(files),
            },
            "train": {k: v for k, v in described["train"].items() if k not in _FREE}
            | {"task": cls.__name__, "precision": precision},
            "tokenizer": {"fingerprint": task.need_tokenizer().fingerprint},
        },
    )
    step = checkpoint.restore(task) if resume else 0
    if step:
        logger.info("going on after step %d of %d", step, settings.steps)
    batches, validation = task.datasets(
        shards or files,
        rows.batch_size,
        rows.sequence_length,
        rows.validation_fraction,
        rows.seed,
        start=step,
    )
    # Not before the run is sure to start: the folder may hold an earlier one.
    is_chief = strategy.extended.should_checkpoint
    if is_chief:
        write_json(Path(run_dir) / EXPERIMENT, described)
    callbacks = [
        # First: after an evaluation the others see the weights in training.
        *([AveragedWeights()] if task.optimizer.use_ema else []),
        _Until(settings.steps),
        *([_Resumed(started)] if step else []),
        TensorBoard(
            run_dir,
            sample_every=settings.sample_every,
            experiment=experiment.replace(model=task.config),
            sequence_length=rows.sequence_length,
        ),
        Progress(settings.steps),
        checkpoint,
        Guard(
            checkpoint, describe=shards and functools.partial(_records, shards, rows)
        ),
        *callbacks,
    ]
    if step < settings.steps:
        with (
            StopOnSignal(checkpoint) as stop,
            losing_no_worker(strategy),
            leaving_summary(run_dir, task, experiment),
        ):
            options = {"validation_data": validation, "callbacks": [*callbacks, stop]}
            _fit(task, batches, step, settings, **options)
    if task.optimizer.use_ema:
        take_averages(task)
    if is_chief:
        task.save_preset(run_dir)
    return task


def _check_counts(settings: TrainConfig) -> None:
    if settings.evaluate_every < 1:
        raise ValueError(f"evaluate_every must be positive: {settings.evaluate_every}")
    for name in ("steps", "evaluate_every"):
        if getattr(settings, name) % settings.steps_per_execution:
            raise ValueError(
                f"{name}={getattr(settings, name)} is no multiple of "
                f"steps_per_execution={settings.steps_per_execution}"
            )


def _fit(task: Task, batches, step: int, settings: TrainConfig, **options) -> None:
    """Trains from `step` on; evaluations come at multiples of `evaluate_every`, in a
    run that was resumed too."""
    every = settings.evaluate_every
    first = min(-step % every, settings.steps - step)
    if first:
        task.fit(batches, steps_per_epoch=first, verbose=0, **options)
    left = settings.steps - step - first
    if left:
        every = min(every, left)
        parts = {"steps_per_epoch": every, "epochs": math.ceil(left / every)}
        task.fit(batches.skip(first), verbose=0, **parts, **options)


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


def compile_task(task: Task, experiment: ExperimentConfig) -> None:
    """Makes a task ready to be trained as an experiment says."""
    settings = experiment.train
    if settings.frozen:
        logger.info("frozen: %d weights", len(task.freeze(settings.frozen)))
    task.compile(
        from_config(experiment.optimizer, settings.steps),
        micro_batches=settings.micro_batches,
        recompute=settings.recompute,
        jit_compile="auto" if settings.xla is None else settings.xla,
        steps_per_execution=settings.steps_per_execution,
    )


class _Resumed(StepCallback):
    """Says how long it took until a run went on."""

    def __init__(self, started: float):
        super().__init__()
        self.started: float | None = started

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        if self.started is not None:
            seconds = time.perf_counter() - self.started
            logger.info("resumed at step %d in %.1f s", self._previous, seconds)
            self.started = None


class _Until(StepCallback):
    """Ends training at a number of updates, within an epoch too."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        if self.step >= self.steps:
            self.model.stop_training = True

"""One run of training: checkpoints, records, and where it goes on after a stop."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.distribution.workers import (
    devices_of,
    has_workers,
    is_chief,
    leave_together,
    losing_no_worker,
)
from massivetext_keras.experiment import ExperimentConfig, TrainConfig
from massivetext_keras.optimization.averaging import AveragedWeights, take_averages
from massivetext_keras.support.files import write_json
from massivetext_keras.tasks.base import Task
from massivetext_keras.training.callbacks.checkpoint import Checkpoint
from massivetext_keras.training.callbacks.guard import Guard
from massivetext_keras.training.callbacks.registry import named_callbacks
from massivetext_keras.training.callbacks.signals import StopOnSignal
from massivetext_keras.training.callbacks.step import StepCallback
from massivetext_keras.training.callbacks.time_limit import TimeLimit, elapsed
from massivetext_keras.training.settings import complete, settings_of
from massivetext_keras.training.summary import leaving_summary
from massivetext_keras.training.watching.progress import Progress
from massivetext_keras.training.watching.tensorboard import TensorBoard

logger = logging.getLogger(__name__)

EXPERIMENT = "experiment.json"
# Batches of training from a number on, and those of evaluation, if there are any.
Datasets = Callable[[int], tuple[TrainingBatches, tf.data.Dataset | None]]


def run(
    task: Task,
    experiment: ExperimentConfig,
    datasets: Datasets,
    fingerprint: str,
    run_dir: str | Path,
    resume: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    describe: Callable[[int], str] | None = None,
    finish: Callable[[], None] | None = None,
    started: float | None = None,
    logged: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains a compiled task; the folder of the run is a preset when it ends.

    Args:
        task: compiled, in the state in which a new run begins.
        experiment: every setting; its `model` is the task's config.
        datasets: see `Datasets`; not asked before the run is sure to start.
        fingerprint: of the data; a run goes on with the same alone.
        run_dir: the run's folder.
        resume: go on from the newest checkpoint in the folder, if there is one.
        callbacks: more of them, after those of the run.
        describe: number of a batch -> where it is from, for messages.
        finish: changes the weights when training is over, before they are saved.
        started: `time.perf_counter()` when the work began.
        logged: more callbacks, before those of the run: what they add to the logs is
            recorded.

    Raises:
        ValueError: the checkpoint is of another config.
        OSError: the end of the run could not be saved.
        RuntimeError: too many batches were not finite, or a worker is gone.
        SystemExit: the run was told to stop.
    """
    started = time.perf_counter() if started is None else started
    settings, devices = experiment.train, devices_of(task)
    named = named_callbacks(settings.callbacks)
    experiment = complete(experiment, task, fingerprint)
    checkpoint = Checkpoint(
        run_dir,
        settings.checkpoint_every,
        steps=settings.steps if settings.minutes is None else None,
        settings=settings_of(experiment, task),
    )
    step = checkpoint.restore(task) if resume else 0
    spent = elapsed(task.optimizer)
    if step and settings.minutes is None:
        logger.info("going on after step %d of %d", step, settings.steps)
    elif step:
        minutes = f"{spent / 60_000:.1f} of {settings.minutes:g} minutes"
        logger.info("going on after step %d, %s", step, minutes)
    batches, validation = datasets(step)
    # Not before the run is sure to start: the folder may hold an earlier one.
    if is_chief(devices):
        write_json(Path(run_dir) / EXPERIMENT, experiment.to_dict())
    limit = time_limit(settings)
    callbacks = [
        *logged,
        limit or _Until(settings.steps),
        *([_Resumed(started)] if step else []),
        TensorBoard(
            run_dir,
            sample_every=settings.sample_every,
            experiment=experiment,
            sequence_length=experiment.data.sequence_length,
        ),
        Progress(settings.steps, limit=limit),
        checkpoint,
        Guard(checkpoint, describe=describe),
        *callbacks,
        *named,
    ]
    if not settings.is_over(step, spent):
        with (
            StopOnSignal(checkpoint) as stop,
            losing_no_worker(has_workers(devices)),
            leaving_summary(run_dir, task, experiment),
        ):
            every = [*callbacks, stop]
            fit_until(task, batches, step, settings, every, validation_data=validation)
    with losing_no_worker(has_workers(devices)):
        conclude(task, finish)
        if is_chief(devices) or task.mesh is not None:
            task.save_preset(run_dir)
        leave_together(devices)


def fit_until(
    task: Task,
    batches: TrainingBatches,
    step: int,
    settings: TrainConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options,
) -> None:
    """Trains from `step` on; evaluations come at multiples of `evaluate_every`, in a
    run that was resumed too."""
    # First: after an evaluation the others see the weights in training.
    options["callbacks"] = [AveragedWeights(), *callbacks]
    every = settings.evaluate_every
    total = settings.steps if settings.minutes is None else sys.maxsize
    first = min(-step % every, total - step)
    if first:
        task.fit(batches, steps_per_epoch=first, verbose=0, **options)
    left = total - step - first
    if left and not (first and task.stop_training):
        every = min(every, left)
        parts = {"steps_per_epoch": every, "epochs": math.ceil(left / every)}
        task.fit(batches, verbose=0, **parts, **options)


def time_limit(settings: TrainConfig) -> TimeLimit | None:
    """What ends a run by the clock, if it is to end so."""
    return None if settings.minutes is None else TimeLimit(settings.minutes)


def conclude(task: Task, finish: Callable[[], None] | None = None) -> None:
    """After training, a task has the means that its optimizer keeps, if it keeps any;
    then comes what else is to be done with its weights; at last those that were rounded
    in training are stored so."""
    if task.optimizer.use_ema:
        take_averages(task)
    if finish is not None:
        finish()
    task.quantization.store_rounded()


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

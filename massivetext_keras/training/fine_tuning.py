"""Fine-tuning: from examples to a task that has learnt them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import keras

from massivetext_keras.experiment import FINE_TUNING, ExperimentConfig, TrainConfig
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.examples import Examples, split_examples
from massivetext_keras.training.callbacks.measuring import Measure
from massivetext_keras.training.run import conclude, fit_until, run
from massivetext_keras.training.trainer import compile_task
from massivetext_keras.training.watching.progress import Progress


def fine_tune(
    task: Task,
    train: Examples,
    validation: Examples | None = None,
    epochs: float = 3.0,
    learning_rate: float = 5e-5,
    batch_size: int = 32,
    batch_tokens: int | None = None,
    max_length: int | None = None,
    warmup_fraction: float = 0.1,
    weight_decay: float = 0.01,
    schedule: str = "linear",
    layer_decay: float = 1.0,
    ema: float | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    keep_best: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **compile_options,
) -> dict[str, float]:
    """Trains a task on examples, with the settings that encoders are fine-tuned with.

    AdamW, a short warm-up, then a rate that falls to zero (Devlin et al., 2019; Mosbach
    et al., 2021). Where there are examples to validate on, the loss and the measures of
    the task's field are taken after each epoch.

    Args:
        task: of any kind that learns from examples.
        train: files as its `read_examples` takes them, or examples.
        validation: the same, to evaluate on.
        epochs: how often every example is seen.
        learning_rate: the peak.
        batch_size: rows of the global batch.
        batch_tokens: tokens of a batch, padding included, instead of rows.
        max_length: tokens of a row (None: the model's `max_length`).
        warmup_fraction: share of the updates in which the rate grows.
        weight_decay: of matrices.
        schedule: see `training.make_optimizer`.
        layer_decay: a layer's rate is this share of that of the layer above.
        ema: share of a running mean of the weights that an update keeps; the task is
            measured with that mean, and has it in the end (None: there is no mean).
        seed: of the order of the batches, and of dropout.
        run_dir: folder of a run: checkpoints, TensorBoard, and a preset in the end; a
            run that was stopped goes on (None: nothing is written).
        keep_best: the measure whose best weights the task has in the end (None: it has
            the last ones).
        callbacks: of Keras, more of them.
        **compile_options: for the task's `compile`, such as `micro_batches`.

    Returns:
        Measures of the weights that the task has in the end; {} without validation.

    Raises:
        ValueError: there are no examples, or a setting does not fit.
    """
    experiment = FINE_TUNING.replace(
        model=task.config,
        data=FINE_TUNING.data.replace(
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            sequence_length=max_length or task.config.max_length,
            validation_fraction=0.0,
            seed=seed,
        ),
        optimizer=FINE_TUNING.optimizer.replace(
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            layer_decay=layer_decay,
            ema=ema,
        ),
        train=TrainConfig(seed=seed, precision=task.dtype_policy.name),
    )
    return learn(
        task,
        experiment,
        train,
        validation,
        epochs,
        warmup_fraction,
        run_dir,
        keep_best=keep_best,
        callbacks=callbacks,
        **compile_options,
    )


def learn(
    task: Task,
    experiment: ExperimentConfig,
    train: Examples,
    validation: Examples | None = None,
    epochs: float = 3.0,
    warmup_fraction: float | None = 0.1,
    run_dir: str | Path | None = None,
    resume: bool = True,
    keep_best: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **compile_options,
) -> dict[str, float]:
    """`fine_tune` with every setting of an experiment.

    Args:
        task: of any kind that learns from examples.
        experiment: its `train.steps`, `train.evaluate_every` and, with a
            `warmup_fraction`, `optimizer.warmup_steps` follow from the rest.
        resume: go on from the newest checkpoint in `run_dir`, if there is one.

    The other arguments are those of `fine_tune`.
    """
    started = time.perf_counter()
    train, validation = task.examples_of(train), task.examples_of(validation)
    if not validation and experiment.data.validation_fraction:
        share = experiment.data.validation_fraction
        train, validation = split_examples(train, share, experiment.data.seed)
    rows = experiment.data
    sizes = (
        None if rows.batch_tokens else rows.batch_size,
        rows.batch_tokens,
        min(rows.sequence_length, task.config.max_length),
    )
    batches = task.example_batches(train, *sizes)
    held_out = None
    if validation:
        held_out = task.example_batches(validation, *sizes, training=False).validation()
    experiment = _planned(experiment, batches.count, epochs, warmup_fraction)
    compile_task(task, experiment, **compile_options)
    task.randomness.state.assign(keras.random.SeedGenerator(rows.seed).state)
    measure = Measure(validation or (), keep_best, run_dir)
    callbacks = [*([measure] if validation else []), *callbacks]
    if run_dir is None:
        total = experiment.train.steps
        fit_until(
            task,
            batches.training(rows.seed),
            0,
            experiment.train,
            validation_data=held_out,
            callbacks=[Progress(total), *callbacks],
        )
        conclude(task, measure.take_best)
    else:
        run(
            task,
            experiment,
            lambda start: (batches.training(rows.seed, start), held_out),
            _fingerprint(train, validation),
            run_dir,
            resume,
            callbacks,
            finish=measure.take_best,
            started=started,
            keep_best=keep_best,
        )
    return measure.best


def _planned(
    experiment: ExperimentConfig,
    batches: int,
    epochs: float,
    warmup_fraction: float | None,
) -> ExperimentConfig:
    """The experiment with as many updates as so many epochs have."""
    if epochs <= 0:
        raise ValueError(f"epochs must be positive, got {epochs}")
    steps = max(1, round(epochs * batches))
    settings = experiment.train.replace(
        steps=steps, evaluate_every=min(batches, steps), sample_every=0
    )
    optimizer = experiment.optimizer
    if warmup_fraction is not None:
        optimizer = optimizer.replace(warmup_steps=round(warmup_fraction * steps))
    return experiment.replace(train=settings, optimizer=optimizer)


def _fingerprint(*examples: Sequence | None) -> str:
    """SHA-256 of examples."""
    text = json.dumps(examples, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()

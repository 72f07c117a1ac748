"""Fine-tuning: from examples to a task that has learnt them."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.data.batching.buckets import Batches
from massivetext_keras.experiment import FINE_TUNING, DataConfig, ExperimentConfig
from massivetext_keras.optimization.gradients.adversarial import AdversarialTraining
from massivetext_keras.optimization.optimizers import from_config
from massivetext_keras.support.values import nearest
from massivetext_keras.tasks.base import Task
from massivetext_keras.tasks.examples import split_examples
from massivetext_keras.training import private
from massivetext_keras.training.callbacks.measuring import Measure
from massivetext_keras.training.callbacks.registry import (
    check_callbacks,
    named_callbacks,
)
from massivetext_keras.training.pretraining import prepare
from massivetext_keras.training.run import conclude, fit_until, run, time_limit
from massivetext_keras.training.watching.progress import Progress

logger = logging.getLogger(__name__)

_DEFAULT = FINE_TUNING.optimizer

# Peaks of the rate: of weights that have learnt before (Devlin et al., 2019), and of
# random ones, as those of adapters are (Hu et al., 2022).
LEARNT_RATE, NEW_RATE = 5e-5, 5e-4


def fine_tune(
    task: Task,
    train: Any,
    validation: Any = None,
    epochs: float | None = FINE_TUNING.train.epochs,
    learning_rate: float | None = _DEFAULT.learning_rate,
    batch_size: int = FINE_TUNING.data.batch_size,
    batch_tokens: int | None = None,
    max_length: int | None = None,
    warmup_fraction: float | None = _DEFAULT.warmup_fraction,
    weight_decay: float = _DEFAULT.weight_decay,
    schedule: str = _DEFAULT.schedule,
    layer_decay: float = _DEFAULT.layer_decay,
    ema: float | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    keep_best: str | None = None,
    round_to: str | None = None,
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
        epochs: how often every example is seen (None: 1,000 updates instead).
        learning_rate: the peak (None: 5e-5 where weights of a model that was read from
            a folder are trained; 5e-4 where all that is trained is new: a model of
            random weights, adapters, or a head alone; the log says which).
        batch_size: rows of the global batch.
        batch_tokens: tokens of a batch, padding included, instead of rows.
        max_length: tokens of a row (None: the model's `max_length`).
        warmup_fraction: share of the updates in which the rate grows (None: 100 of
            them).
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
        round_to: "int8" or "int4": the task is trained with its matrices as they will
            be read when they are stored so, gradients going through as if they were not
            (Jacob et al., 2018; Bengio et al., 2013), and is stored so in the end.
        callbacks: of Keras, more of them.
        **compile_options: for the task's `compile`, such as `micro_batches`; what the
            experiment has a field for is written into it: `privacy=DPSGD(…)` too.

    Returns:
        Measures of the weights that the task has in the end; {} without validation.

    Raises:
        ValueError: there are no examples, or a setting does not fit.
    """
    of_task, settings, others = _divided(compile_options)
    experiment = FINE_TUNING.replace(
        model=task.config,
        task=FINE_TUNING.task.replace(**of_task),
        data=FINE_TUNING.data.replace(
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            sequence_length=max_length or task.config.max_length,
            validation_fraction=0.0,
            seed=seed,
        ),
        optimizer=FINE_TUNING.optimizer.replace(
            learning_rate=learning_rate,
            warmup_fraction=warmup_fraction,
            schedule=schedule,
            weight_decay=weight_decay,
            layer_decay=layer_decay,
            ema=ema,
        ),
        train=FINE_TUNING.train.replace(
            epochs=epochs,
            seed=seed,
            precision=task.dtype_policy.name,
            keep_best=keep_best,
            round_to=round_to,
            **settings,
        ),
    )
    return learn(
        task,
        experiment,
        train,
        validation,
        run_dir=run_dir,
        callbacks=callbacks,
        **others,
    )


def _divided(options: dict[str, Any]) -> tuple[dict, dict, dict]:
    """Arguments of `compile`: fields of `task` and of `train`, and others."""
    options = dict(options)
    of_task = {k: options.pop(k) for k in ("label_smoothing",) if k in options}
    adversarial = AdversarialTraining.of(options.pop("adversarial", None))
    if adversarial is not None:
        of_task["adversarial"] = adversarial.epsilon
        of_task["adversarial_weight"] = adversarial.weight
        of_task["virtual"] = adversarial.virtual
    names = ("micro_batches", "recompute", "steps_per_execution")
    settings = {name: options.pop(name) for name in names if name in options}
    if isinstance(options.get("jit_compile"), bool):
        settings["xla"] = options.pop("jit_compile")
    return of_task, settings, options


def learn(
    task: Task,
    experiment: ExperimentConfig,
    train: Any,
    validation: Any = None,
    epochs: float | None = None,
    warmup_fraction: float | None = None,
    run_dir: str | Path | None = None,
    resume: bool = True,
    keep_best: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **compile_options,
) -> dict[str, float]:
    """`fine_tune` with every setting of an experiment.

    Args:
        task: of any kind that learns from examples.
        experiment: with `train.epochs`, its `train.steps` and `train.evaluate_every`
            follow from the examples, and with an `optimizer.warmup_fraction` so does
            `optimizer.warmup_steps`.
        epochs, warmup_fraction, keep_best: instead of the experiment's (None: those).
        resume: go on from the newest checkpoint in `run_dir`, if there is one.

    The other arguments are those of `fine_tune`.
    """
    started = time.perf_counter()
    experiment = _with_arguments(experiment, epochs, warmup_fraction, keep_best)
    experiment = private.asked_for(experiment, compile_options.pop("privacy", None))
    _check_task(task, experiment)
    check_callbacks(experiment.train.callbacks)
    train, validation = task.examples_of(train), task.examples_of(validation)
    rows = experiment.data
    if not validation and rows.validation_fraction:
        train, validation = split_examples(train, rows.validation_fraction, rows.seed)
    batches, held_out = _batches(task, rows, train, validation)
    experiment = private.with_noise_for(
        experiment.planned(batches.count), batches.rows.count
    )
    prepare(task, experiment)
    experiment = _with_rate(task, experiment)
    task.compile(
        from_config(
            experiment.optimizer, experiment.train.steps, experiment.train.minutes
        ),
        **experiment.compile_options(),
        **private.compile_options(experiment),
        **compile_options,
    )
    budgets = private.budgets(experiment, batches.rows.count)
    task.randomness.state.assign(keras.random.SeedGenerator(rows.seed).state)
    measure = Measure(validation or (), experiment.train.keep_best, run_dir)
    callbacks = [*([measure] if validation else []), *callbacks]
    if run_dir is None:
        limit = time_limit(experiment.train)
        named = named_callbacks(experiment.train.callbacks)
        fit_until(
            task,
            batches.training(rows.seed),
            0,
            experiment.train,
            validation_data=held_out,
            callbacks=[
                *budgets,
                *([limit] if limit else []),
                Progress(experiment.train.steps, limit=limit),
                *callbacks,
                *named,
            ],
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
            logged=budgets,
        )
    return measure.best


def _batches(
    task: Task, rows: DataConfig, train: list, validation: list | None
) -> tuple[Batches, tf.data.Dataset | None]:
    """Of training and, if there are examples for it, of validation."""
    sizes = (
        None if rows.batch_tokens else rows.batch_size,
        rows.batch_tokens,
        min(rows.sequence_length, task.config.max_length),
    )
    batches = task.example_batches(train, *sizes)
    if not validation:
        return batches, None
    held_out = task.example_batches(validation, *sizes, training=False)
    return batches, held_out.validation()


def _with_arguments(
    experiment: ExperimentConfig,
    epochs: float | None,
    warmup_fraction: float | None,
    keep_best: str | None,
) -> ExperimentConfig:
    settings, optimizer = experiment.train, experiment.optimizer
    if epochs is not None:
        settings = settings.replace(epochs=epochs)
    if keep_best is not None:
        settings = settings.replace(keep_best=keep_best)
    if warmup_fraction is not None:
        optimizer = optimizer.replace(warmup_fraction=warmup_fraction)
    return experiment.replace(
        model=experiment.model, train=settings, optimizer=optimizer
    )


def _with_rate(task: Task, experiment: ExperimentConfig) -> ExperimentConfig:
    """The experiment with a learning rate: its own, or one for what is trained."""
    if experiment.optimizer.learning_rate is not None:
        return experiment
    trained = {id(weight) for weight in task.trainable_weights}
    backbone = task.base_weights().values()
    learnt = task.backbone.has_learnt and any(id(x) in trained for x in backbone)
    rate, what = (LEARNT_RATE, "have learnt") if learnt else (NEW_RATE, "are new")
    logger.info("learning rate %g: the weights that are trained %s", rate, what)
    return experiment.replace(
        model=experiment.model,
        optimizer=experiment.optimizer.replace(learning_rate=rate),
    )


def _check_task(task: Task, experiment: ExperimentConfig) -> None:
    """Refuses an experiment that says other things of a task than the task does.

    Raises:
        ValueError: names the field.
    """
    asked, chosen = experiment.task, dict.fromkeys(task.options) | task.chosen()
    for name, value in asked.options.items():
        if name not in chosen:
            hint = nearest(name, chosen)
            raise ValueError(f"task.{name}: {type(task).__name__} has none: {hint}")
        if _plain(chosen[name]) != _plain(task.as_chosen(name, value)):
            raise ValueError(
                f"task.{name} is {value!r} in the experiment and {chosen[name]!r} of "
                "the task: make the task with it"
            )
    if asked.name not in (None, type(task).__name__, task.registered_name()):
        raise ValueError(
            f"task.name is {asked.name!r}, but the task is a {type(task).__name__}"
        )
    if experiment.train.unigram_bias:
        raise ValueError("train.unigram_bias is for text that is learnt by `train`")
    if experiment.data.objective not in (None, task.data.own_objective):
        raise ValueError(
            f"data.objective is {experiment.data.objective!r}: examples are learnt by "
            f"{task.data.own_objective or 'their labels'}; text is what `train` takes"
        )


def _plain(value: Any) -> Any:
    """A value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _fingerprint(*examples: Sequence | None) -> str:
    """SHA-256 of examples."""
    text = json.dumps(examples, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()

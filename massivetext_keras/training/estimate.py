"""What a run will take, before it is started."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from massivetext_keras import corpus
from massivetext_keras.architecture import cost
from massivetext_keras.architecture.axes import axes_in
from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.data import encode_documents, open_shards
from massivetext_keras.distribution.devices import measured_peak
from massivetext_keras.distribution.memory import Work, device_memory
from massivetext_keras.experiment import ExperimentConfig, OptimizerConfig
from massivetext_keras.kernels.attention import CAUSAL_ROWS
from massivetext_keras.kernels.cross_entropy import CHUNK_LOGITS
from massivetext_keras.optimization.optimizers import from_config
from massivetext_keras.optimization.precision import set_precision
from massivetext_keras.tasks.base import Task
from massivetext_keras.training.callbacks.registry import check_callbacks
from massivetext_keras.training.callbacks.step import Clock
from massivetext_keras.training.pretraining import class_for_text, prepare, text_batches
from massivetext_keras.training.watching.meter import memory
from massivetext_keras.training.watching.progress import duration

_STEPS = 3  # timed, after one that compiles
_PATIENCE = 20.0  # seconds that they may take
_UTILISATION = 0.3  # of the peak, to guess what they would take
_COMPILED = 0.4  # GiB that XLA's programs and its compiler take
# Numbers that an optimizer keeps for each weight; Keras's Adafactor keeps the product
# of its factors too.
_SLOTS = {"adamw": 2, "adam": 2, "lion": 1, "sgd": 1, "muon": 2, "adafactor": 1}


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that training takes.

    Attributes:
        weights: float32.
        gradients: float32.
        slots: what the optimizer keeps, and the running mean of the weights if any.
        update: new weights and slots beside the old ones, and three more copies of
            the gradients.
        activations: what the forward pass keeps for the backward pass, and half as much
            again.
        process: Python and TensorFlow, as they are now, and 0.4 GiB.

    The copies of the gradients, the half and the 0.4 GiB were fitted to measured peaks.
    """

    weights: int
    gradients: int
    slots: int
    update: int
    activations: int
    process: int

    @property
    def total(self) -> int:
        """The sum of all: what activations leave is not given back for the update."""
        return sum(dataclasses.astuple(self))


def memory_estimate(
    experiment: ExperimentConfig, model: ModelConfig, size: int, recompute: bool
) -> Memory:
    """The memory of a run on one device: its peak, in what the process holds.

    On two cores in bfloat16 it was 7 % over the measured peak for gpt_nano (8 rows of
    128 tokens), 4 % over it for gpt_mini (32 of 512), 4 % below it for gpt2_small (4 of
    512).

    Activations are those of `architecture.cost.numbers_kept`; in causal blocks a token
    sees about half of the row. A chunk of logits, 2^23 at the most, counts four times:
    themselves, their gradient, and both in float32's stead.

    Args:
        experiment: batch, length and optimizer.
        model: the shape.
        size: bytes of a number in the compute dtype.
        recompute: keep only what enters a block.
    """
    weights = 4 * model.parameter_count()
    optimizer = experiment.optimizer
    slots = _slots(optimizer) * weights
    data, parts = experiment.data, experiment.train.micro_batches
    length = data.sequence_length
    tokens = data.batch_size * length // parts
    seen = (
        (length + min(length, CAUSAL_ROWS)) / 2 if model.stack == "decoder" else length
    )
    kept = cost.numbers_kept(model, seen, recompute)
    logits = 4 * min(tokens * model.vocabulary_size, CHUNK_LOGITS)
    return Memory(
        weights=weights,
        gradients=weights,
        slots=slots,
        update=4 * weights + slots,
        activations=int(size * (1.5 * tokens * kept + logits)),
        process=int((memory()["now"] + _COMPILED) * 2**30),
    )


def plan(
    experiment: ExperimentConfig,
    files: Sequence[str],
    tokenizer,
    preset: str | None = None,
    *,
    time_steps: Callable[[Task, ExperimentConfig, Any], float] | None = None,
    peak: Callable[[str], float] = measured_peak,
    sample_bytes: int = 1 << 20,
) -> Iterator[str]:
    """Lines that say what `pretraining.train` with the same arguments would take.

    Nothing is trained that lasts, and nothing written. The number of tokens is what
    shards say, or that of the first megabyte of text, scaled to the size of all files.
    The time, without evaluations, is measured over three steps if these are quick; else
    it follows from the FLOPs (see `flops_per_token`) and the measured peak, and is a
    lower bound.

    Args:
        experiment, files, tokenizer, preset: as `pretraining.train` takes them.
        time_steps: seconds of a step of a task, of an experiment, on some files (None:
            they are made).
        peak: FLOP/s in a dtype.
        sample_bytes: of text that tell how many tokens there are to a byte.

    Raises:
        ValueError, FileNotFoundError: as `pretraining.train`.
    """
    settings, data = experiment.train, experiment.data
    cls = class_for_text(experiment, preset)
    check_callbacks(settings.callbacks)
    shards = open_shards(files)
    sample, share = ([], 1.0) if shards else _sample(files, sample_bytes)
    set_precision(settings.precision)
    dtype = keras.config.dtype_policy().compute_dtype
    task, model = None, experiment.model
    if preset is not None:
        task = cls.from_preset(preset, tokenizer, **experiment.task.options)
        model, tokenizer = task.config, task.need_tokenizer()
    yield f"parameters       {model.parameter_count():,}"
    size = 4 if dtype == "float32" else 2
    yield from _memory_lines(experiment, model, size)
    yield from _mesh_lines(experiment, model, size)
    in_step = data.batch_size * data.sequence_length
    rows = f"{data.batch_size:,} rows of {data.sequence_length:,}"
    yield f"tokens per step  {in_step:,} ({rows})"
    if shards:
        there: float = sum(manifest.train.tokens for manifest in shards.manifests)
    else:
        there = len(encode_documents(tokenizer, list(corpus.read_documents(sample))))
        there *= (1 - data.validation_fraction) / share
    flops = in_step * flops_per_token(model, data.sequence_length)
    seconds = flops / peak(dtype)
    if settings.mesh is not None:  # a step is timed on one device
        alone = settings.replace(mesh=None, shard_state="none", shard_sequence=False)
        experiment = experiment.replace(train=alone)
    if (_STEPS + 1) * seconds / _UTILISATION < _PATIENCE:
        task = task or cls(model, tokenizer, **experiment.task.options)
        seconds = (time_steps or seconds_per_step)(task, experiment, shards or sample)
        how = f"{seconds:.3f} s a step, measured over {_STEPS}"
    else:
        how = (
            f"{seconds:.3f} s a step at the least: {flops:.2e} FLOPs at the measured "
            f"peak of {flops / seconds / 1e9:,.0f} GFLOP/s"
        )
    steps, about = settings.steps, ""
    if settings.minutes is not None:
        steps, about = round(60 * settings.minutes / seconds), "about "
    total = steps * in_step
    yield f"steps            {about}{steps:,}"
    yield f"tokens           {about}{total:,}"
    yield f"epochs           {total / there:.2f}, of about {there:,.0f} tokens"
    seconds *= steps
    yield f"hours            {seconds / 3600:.2f} ({duration(seconds)}; {how})"


def _memory_lines(experiment, model, size: int) -> Iterator[str]:
    recompute = experiment.train.recompute
    now = memory_estimate(experiment, model, size, recompute)
    other = memory_estimate(experiment, model, size, not recompute)
    word = "without" if recompute else "with"
    parts = dataclasses.asdict(now)
    parts[experiment.optimizer.name] = parts.pop("slots")
    totals = f"{_gib(now.total)} ({_gib(other.total)} {word} recomputation)"
    yield f"memory           {totals}"
    for name, held in parts.items():
        line = f"  {name:14} {_gib(held)}"
        if name == "activations":
            line += f" ({_gib(other.activations)} {word} recomputation)"
        yield line


def _mesh_lines(experiment, model, size: int) -> Iterator[str]:
    """What the fullest device of a mesh holds."""
    settings, data = experiment.train, experiment.data
    axes = axes_in(settings.mesh or "")
    if not axes:
        return
    optimizer = experiment.optimizer
    work = Work(
        rows=data.batch_size,
        length=data.sequence_length,
        micro_batches=settings.micro_batches,
        size=size,
        slots=_slots(optimizer),
        recompute=settings.recompute,
        shard_sequence=settings.shard_sequence,
    )
    stages = device_memory(model, axes, settings.shard_state, work)
    fullest = max(stages, key=lambda stage: stage.total)
    where = f", in stage {stages.index(fullest) + 1} of {len(stages)}"
    yield (
        f"of a mesh        {_gib(fullest.total)} on the fullest device"
        f"{where if len(stages) > 1 else ''}; the above is for one device"
    )
    parts = dataclasses.asdict(fullest)
    parts[optimizer.name] = parts.pop("state")
    parts["in a step"] = parts.pop("step")
    for name, held in parts.items():
        if held:
            yield f"  {name:14} {_gib(held)}"


def _slots(optimizer: OptimizerConfig) -> int:
    """Numbers that are kept for each weight."""
    return _SLOTS[optimizer.name] + (optimizer.ema is not None)


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def _sample(files: Sequence[str], most: int) -> tuple[list[Path], float]:
    """The first files, of so many bytes together, and their share of all bytes."""
    paths = corpus.expand(files)
    sizes = [path.stat().st_size for path in paths]
    ends = list(itertools.accumulate(sizes))
    count = int(np.searchsorted(ends, most)) + 1
    return paths[:count], ends[min(count, len(ends)) - 1] / ends[-1]


def seconds_per_step(
    task: Task, experiment: ExperimentConfig, sample: Any, clock: Clock | None = None
) -> float:
    """Of a few updates that are made.

    Args:
        task: that is not compiled yet.
        experiment: every setting.
        sample: files of text, or shards.
        clock: that times them.
    """
    prepare(task, experiment)
    task.compile(
        from_config(experiment.optimizer, experiment.train.steps),
        **experiment.compile_options(),
    )
    options = {"validation_fraction": 0.0, "progress": False}
    batches, _ = text_batches(task, experiment, sample, **options)
    clock = clock or Clock()
    task.fit(batches, steps_per_epoch=_STEPS + 1, callbacks=[clock], verbose=0)
    return clock.seconds_per_step

"""What is watched while a model trains."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


class StepCallback(keras.callbacks.Callback):
    """Knows the number of updates without asking the device for it at every one.

    Attributes:
        step: updates of the weights so far, those before `fit` included.
    """

    step = 0
    _previous = 0
    _batch = -1

    def read_step(self) -> int:
        """Sets `step` to the optimizer's own count, and gives it."""
        self.step = int(self.model.optimizer.iterations.numpy())
        return self.step

    def on_train_begin(self, logs=None):
        self.read_step()

    def on_epoch_begin(self, epoch, logs=None):
        self._batch = -1

    def on_train_batch_end(self, batch, logs=None):
        self._previous, self.step = self.step, self.step + batch - self._batch
        self._batch = batch

    def is_due(self, every: int) -> bool:
        """Whether the last batches passed a multiple of `every` updates; 0: never."""
        return every > 0 and self.step // every > self._previous // every


class Clock(keras.callbacks.Callback):
    """Times the updates of a `fit`."""

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())

    @property
    def seconds_per_step(self) -> float:
        """Of the median update; the first, which holds the compilation, is no part."""
        return float(np.median(np.diff(self.times)))


class TensorBoard(StepCallback):
    """Writes two runs whose curves overlay, `train` and `validation`, by update.

    `train` has, every `every` updates: `loss`, the mean over the tokens since the
    last write, not since the epoch began; `perplexity`; `bits_per_byte` where the task
    counts bytes; `learning_rate` of the next update; `gradient_norm` and what else the
    step logs; `tokens_per_second`, tokens with a loss over the time spent in training
    (not in the first interval, which holds the compilation); and `sample`, text by the
    model. `validation` has the results of every evaluation under the same names.

    Args:
        log_dir: folder of both runs; `tensorboard --logdir` takes it, or one above.
        every: updates between writes.
        sample_every: updates between samples of text (0: none).
        prompts: beginnings of the samples.
        max_new_tokens: length of a sample.

    Raises:
        ValueError: `every` is not positive.

    >>> TensorBoard("runs/1", every=50).every
    50
    """

    def __init__(
        self,
        log_dir: str | Path,
        every: int = 10,
        sample_every: int = 0,
        prompts: Sequence[str] = ("",),
        max_new_tokens: int = 64,
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be positive, got {every}")
        self.log_dir, self.every, self.sample_every = Path(log_dir), every, sample_every
        self.prompts, self.max_new_tokens = list(prompts), max_new_tokens
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._logs: dict[str, float] = {}

    def set_model(self, model):
        super().set_model(model)
        self._meter = _Meter(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._meter.take()
        self._compiling = True

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self._meter.resume(reset=True)  # `fit` has reset the trackers

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        self._logs = logs or {}
        if self.is_due(self.every):
            self._meter.collect()
            self._write_train()
        writes = hasattr(self.model, "generate") and (
            getattr(self.model, "tokenizer", None) is not None
        )
        if writes and self.is_due(self.sample_every):
            self._meter.collect()
            self._write_sample()
            self._meter.resume()

    def on_test_begin(self, logs=None):
        self._meter.collect()  # `evaluate` is about to reset the trackers

    def on_test_end(self, logs=None):
        self.read_step()
        self._write("validation", {**logs, "perplexity": _perplexity(logs["loss"])})
        self._meter.resume()

    def on_epoch_end(self, epoch, logs=None):
        self._meter.collect()

    def on_train_end(self, logs=None):
        self._write_train()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write_train(self) -> None:
        (loss, tokens, bits, sizes), seconds = self._meter.take()
        if not tokens:
            return
        values = {
            **self._logs,
            "loss": loss / tokens,
            "perplexity": _perplexity(loss / tokens),
            "learning_rate": float(self.model.optimizer.learning_rate),
        }
        if sizes:
            values[self.model.bits_tracker.name] = bits / sizes
        if not self._compiling:
            values["tokens_per_second"] = tokens / seconds
        self._compiling = False
        self.read_step()
        self._write("train", values)

    def _write_sample(self) -> None:
        if not self._is_writer():
            return
        texts = self.model.generate(
            self.prompts, max_new_tokens=self.max_new_tokens, temperature=0.8, seed=0
        )
        # Indented, Markdown keeps line breaks and special tokens as they are.
        texts = [textwrap.indent(text, " " * 4) for text in texts]
        with self._writer("train").as_default(self.read_step()):
            tf.summary.text("sample", texts)

    def _write(self, run: str, values: dict[str, float]) -> None:
        if not self._is_writer():
            return
        with self._writer(run).as_default(self.step) as writer:
            for name, value in values.items():
                tf.summary.scalar(name, value)
            writer.flush()

    def _writer(self, run: str) -> tf.summary.SummaryWriter:
        if run not in self._writers:
            path = str(self.log_dir / run)
            self._writers[run] = tf.summary.create_file_writer(path)
        return self._writers[run]

    def _is_writer(self) -> bool:
        return self.model.distribute_strategy.extended.should_save_summary


class _Meter:
    """What a model's trackers gained in training, and in what time."""

    def __init__(self, model: keras.Model):
        self.model = model
        self.sums, self.seconds = np.zeros(4), 0.0
        self.resume(reset=True)

    def take(self) -> tuple[np.ndarray, float]:
        """Sums of [loss, tokens, bits, bytes] and the seconds, since it was called."""
        taken = self.sums, self.seconds
        self.sums, self.seconds = np.zeros(4), 0.0
        return taken

    def collect(self) -> None:
        """Adds what was gained since the last `collect` or `resume`."""
        before, since = self.base, self.since
        self.resume()
        self.sums = self.sums + self.base - before
        self.seconds += self.since - since

    def resume(self, reset: bool = False) -> None:
        """Leaves out what happened before now; `reset`: the trackers are at zero."""
        self.base = np.zeros(4) if reset else self._read()
        self.since = time.perf_counter()

    def _read(self) -> np.ndarray:
        """Totals and counts of both trackers, summed over replicas, float64 [4]."""
        values = []
        for tracker in (self.model.loss_tracker, self.model.bits_tracker):
            pair = (tracker.total, tracker.count) if tracker is not None else ()
            values += [float(v.numpy()) for v in pair] or [0.0, 0.0]
        return np.array(values)


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 88.0))  # the largest that float32 holds

"""The record of a run that TensorBoard shows."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, summary_v2
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from massivetext_keras.architecture.cost import flops_per_token
from massivetext_keras.distribution.devices import measured_peak
from massivetext_keras.support.values import Config
from massivetext_keras.training.callbacks.step import StepCallback, recording
from massivetext_keras.training.watching.curves import read_scalars
from massivetext_keras.training.watching.meter import Gains, Meter, memory
from massivetext_keras.training.watching.pictures import (
    draw_attention_of,
    write_embeddings,
)
from massivetext_keras.training.watching.probes import probe_of

BY_TOKENS = "by_tokens/"
_TWICE = ("loss", "perplexity", "bits_per_byte")  # by update and by tokens
_MOST_TOKENS_SEEN = 32  # of the text whose attention is drawn

# tag -> what TensorBoard says beside its name
_MEANINGS = {
    "loss": "Nats per token, the mean since the last point.",
    "perplexity": "exp(loss).",
    "bits_per_byte": "Of UTF-8 text: comparable between tokenizers.",
    "learning_rate": "Of the next update.",
    "gradient_norm": "Of all gradients together, before the clip.",
    "weight_norm": "Of all trained weights together.",
    "update_ratio": "|change| / |weights| of the last update; 1e-3 is usual.",
    "tokens": "Real ones so far, no padding.",
    "tokens_per_second": "Real ones, no padding, over the time spent in training.",
    "seconds": "Spent in training so far, compilation included, evaluation not.",
    "model_flops_utilisation": "(6 N + 12 L H Q T) x tokens per second, over the peak "
    "of a product of matrices (PaLM, appendix B).",
    "waiting_for_data": "Share of the time in which there was no batch.",
    "padding_share": "Of all positions.",
    "loss_scale": "Of float16.",
    "skipped_in_row": "Batches without an update, as their numbers were not finite.",
    "memory/now": "GiB that the process holds.",
    "memory/peak": "GiB, the most so far.",
    "memory/gpu_peak": "GiB on all GPUs, the most so far.",
}


class TensorBoard(StepCallback):
    """Writes two runs whose curves overlay, `train` and `validation`.

    `train` has, every `every` updates:

    - `loss`, the mean over the tokens since the last write, not since the epoch began;
      `perplexity` of a language model; `bits_per_byte` where the task counts bytes;
      `loss/CORPUS` where the step tells corpora apart;
    - `learning_rate` of the next update, `gradient_norm` before the clip, and what else
      the step logs, such as `loss_scale`; `weight_norm`; `update_ratio`, |change| /
      |weights| of the update before the write (of those that one execution holds);
    - `tokens`, real ones so far, and `seconds` spent in training, both continued where
      the folder has the record of earlier updates; `tokens_per_second` and
      `model_flops_utilisation` (neither in the first interval, which holds the
      compilation); `waiting_for_data`; `padding_share`; `memory/now`, `memory/peak` and
      `memory/gpu_peak`, GiB.

    `validation` has the results of every evaluation under the same names.

    Loss, perplexity and bits per byte are there twice: by update, and under
    `by_tokens/` with the number of tokens in the place of the step. These are tags of
    the same runs, so training and validation overlay there too, and runs that differ in
    batch size can be compared.

    Every `sample_every` updates `train` gets `sample`, text by the model, and
    `attention`, a picture of all heads on `attention_text`. In the end it gets the
    first 10,000 token embeddings for the projector. The run's folder itself has
    `config` as text, and the hyperparameters for the HPARAMS tab.

    Args:
        log_dir: folder of both runs; `tensorboard --logdir` takes it, or one above.
        every: updates between writes.
        sample_every: updates between samples of text (0: none).
        prompts: beginnings of the samples.
        max_new_tokens: length of a sample, at most that of the context.
        attention_text: whose attention is drawn; its first 32 tokens.
        experiment: the hyperparameters (None: the model's config).
        sequence_length: tokens of a row (None: the model's longest); attention's share
            of the FLOPs depends on it.
        peak_flops: FLOPs per second of the devices together (None: `measured_peak`).
        embeddings: write the token embeddings.

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
        attention_text: str = "The cat sat on the mat because it was warm.",
        experiment: Config | None = None,
        sequence_length: int | None = None,
        peak_flops: float | None = None,
        embeddings: bool = True,
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be positive, got {every}")
        self.log_dir, self.every, self.sample_every = Path(log_dir), every, sample_every
        self.prompts, self.max_new_tokens = list(prompts), max_new_tokens
        self.attention_text, self.experiment = attention_text, experiment
        self.sequence_length, self.peak_flops = sequence_length, peak_flops
        self.embeddings = embeddings
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._logs: dict[str, float] = {}
        self._seen: dict[str, float] = {}  # tokens and seconds, once it began

    def set_model(self, model):
        if self.model is not model:
            self._probe = probe_of(model)  # with graphs of its own
        super().set_model(model)
        self._meter = Meter(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        if not self._seen:
            self._seen = _seen_before(self.log_dir / "train", self.step)
            self._describe()
        self._flops = self._share_of_peak()
        self._meter.take()
        self._compiling = True

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self._meter.resume(reset=True)  # `fit` has reset the trackers

    def on_train_batch_begin(self, batch, logs=None):
        after = self.step + (self.model.steps_per_execution or 1)
        if after // self.every > self.step // self.every:
            self._probe.note()

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        self._logs = logs or {}
        if self.is_due(self.every):
            self._meter.collect()
            self._write_train()
        if self.is_due(self.sample_every):
            self._meter.collect()
            self._write_samples()
            self._meter.resume()

    def on_test_begin(self, logs=None):
        self._meter.collect()  # `evaluate` is about to reset the trackers

    def on_test_end(self, logs=None):
        self.read_step()
        values = {**logs, **self._perplexity(logs["loss"])}
        tokens = self._seen["tokens"] + self._meter.gains().tokens if self._seen else 0
        self._write("validation", values, tokens)
        self._meter.resume()

    def on_epoch_end(self, epoch, logs=None):
        self._meter.collect()

    def on_train_end(self, logs=None):
        self._write_train()
        with recording("the end of the run"):
            if self.reads_weights:
                self._write_embeddings()
            if self.is_chief:
                ended = session_end_pb(api_pb2.STATUS_SUCCESS)
                self._write_raw("", ended, self.step)
            for writer in self._writers.values():
                writer.close()
        self._writers.clear()

    def _write_train(self) -> None:
        gains = self._meter.take()
        means = gains.means()
        if "loss" not in means:
            return
        self.read_step()
        self._seen["tokens"] += gains.tokens
        self._seen["seconds"] += gains.seconds
        speeds = {} if self._compiling else self._speeds(gains)
        self._compiling = False
        moved = self._probe.ratio()
        held = {f"memory/{name}": size for name, size in memory().items()}
        values = {
            # A tracker's log is its mean since the epoch began.
            **{k: float(v) for k, v in self._logs.items() if k not in gains.sums},
            **means,
            **self._perplexity(means["loss"]),
            "learning_rate": float(self.model.optimizer.learning_rate),
            "weight_norm": float(self._probe.norm()),
            **({} if moved is None else {"update_ratio": moved}),
            **self._seen,
            **speeds,
            **held,
        }
        self._write("train", values, self._seen["tokens"])

    def _speeds(self, gains: Gains) -> dict[str, float]:
        speed = gains.tokens / gains.seconds
        values = {"tokens_per_second": speed}
        if self._flops is not None:
            values["model_flops_utilisation"] = speed * self._flops
        if gains.waited is not None:
            values["waiting_for_data"] = gains.waited / gains.seconds
        return values

    def _perplexity(self, loss: float) -> dict[str, float]:
        """Of a model whose loss is that of tokens; {} of another."""
        if not getattr(self.model, "predicts_tokens", True):
            return {}
        return {"perplexity": math.exp(min(loss, 88.0))}  # the most float32 holds

    def _share_of_peak(self) -> float | None:
        """What a token a second is of the peak; None for a model of unknown shape."""
        config = getattr(self.model, "config", None)
        if config is None:
            return None
        length = self.sequence_length or config.max_length
        peak = self.peak_flops or measured_peak(self.model.compute_dtype)
        return flops_per_token(config, length) / peak

    @recording("a sample")
    def _write_samples(self) -> None:
        if not self.reads_weights or getattr(self.model, "tokenizer", None) is None:
            return
        step, texts, picture = self.read_step(), self._sample_texts(), None
        if find_spec("matplotlib") and self.model.backbone.attends:
            most = min(_MOST_TOKENS_SEEN, self.model.config.max_length)
            picture = draw_attention_of(self.model, self.attention_text, most)
        if not self.is_chief:
            return
        with self._writer("train").as_default(step) as writer:
            if texts:
                tf.summary.text("sample", texts)
            if picture is not None:
                tf.summary.image("attention", picture[None])
            writer.flush()

    def _sample_texts(self) -> list[str]:
        """Indented: so Markdown keeps line breaks and special tokens as they are."""
        if not hasattr(self.model, "generate"):
            return []
        room = self.model.config.max_length - 1
        texts = self.model.generate(
            self.prompts,
            max_new_tokens=min(self.max_new_tokens, room),
            temperature=0.8,
            seed=0,
        )
        return [textwrap.indent(text, " " * 4) for text in texts]

    def _write_embeddings(self) -> None:
        tokenizer = getattr(self.model, "tokenizer", None)
        if not self.embeddings or tokenizer is None:
            return
        matrix = self.model.backbone.tokens.embeddings.numpy()
        if self.is_chief:
            names = map(tokenizer.id_to_token, range(tokenizer.vocabulary_size))
            write_embeddings(self.log_dir / "train", matrix, list(names))

    @recording("the config")
    def _describe(self) -> None:
        """The run's config as text and as hyperparameters."""
        config = self.experiment or getattr(self.model, "config", None)
        if config is None or not self.is_chief:
            return
        values = config.to_dict()
        if self.experiment is None:
            values = {"model": values}
        text = textwrap.indent(json.dumps(values, indent=2), " " * 4)
        with self._writer("").as_default(self.step) as writer:
            tf.summary.text("config", text)
            summary_v2.hparams(dict(_flat(values)))
            writer.flush()

    @recording("a point of the curves")
    def _write(self, run: str, values: Mapping[str, float], tokens: float) -> None:
        if not self.is_chief:
            return
        self._write_raw(run, _summary(values), self.step)
        if tokens:
            twice = {BY_TOKENS + k: values[k] for k in _TWICE if k in values}
            self._write_raw(run, _summary(twice), round(tokens))
        self._writer(run).flush()

    def _write_raw(self, run: str, message, step: int) -> None:
        with self._writer(run).as_default(step):
            tf.summary.experimental.write_raw_pb(message.SerializeToString())

    def _writer(self, run: str) -> tf.summary.SummaryWriter:
        if run not in self._writers:
            path = str(self.log_dir / run)
            self._writers[run] = tf.summary.create_file_writer(path)
        return self._writers[run]


def _summary(values: Mapping[str, float]) -> Summary:
    """All values as one message: one operation writes them."""
    message = Summary()
    for tag, value in values.items():
        meaning = _MEANINGS.get(tag.removeprefix(BY_TOKENS))
        message.MergeFrom(scalar_pb(tag, value, meaning))
    return message


def _seen_before(folder: Path, step: int) -> dict[str, float]:
    """Tokens and seconds up to an update, from what an earlier process wrote."""
    seen = {"tokens": 0.0, "seconds": 0.0}
    if step and any(folder.glob("events.out.tfevents.*")):
        for name in seen:
            known = {0: 0.0, **read_scalars(folder, name)}
            seen[name] = float(np.interp(step, list(known), list(known.values())))
    return seen


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves as the HPARAMS tab takes them, by their path: a.b."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            plain = isinstance(value, (bool, int, float, str))
            yield path + name, value if plain else json.dumps(value)

"""Graphs of ONNX as onnxruntime runs them, compared with the task they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.runtimes.onnx_graphs.graph import EXTRA
from massivetext_keras.runtimes.onnx_graphs.heads import as_the_task_gives
from massivetext_keras.runtimes.onnx_graphs.models import (
    DECODER,
    ENCODER,
    MODEL,
    writing_blocks,
)
from massivetext_keras.runtimes.portable import Portable
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.support.extras import need

_ROWS, _LENGTH, _SHORTER = 3, 12, (0, 3, 7)
Arrays = dict[str, np.ndarray]


class Session:
    """A graph in onnxruntime on the processor.

    Args:
        file: of the graph.
    """

    def __init__(self, file: Path):
        runtime = need("onnxruntime", EXTRA)
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # what is asked here is small
        self._session = runtime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [one.name for one in self._session.get_inputs()]
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, given: Mapping[str, np.ndarray]) -> Arrays:
        """The outputs by name; of the inputs that are given, those it has."""
        asked = {name: given[name] for name in self.inputs}
        return dict(zip(self.outputs, self._session.run(None, asked), strict=True))


def probe(task: Portable) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ids of several lengths and their masks, int64 [rows, length]: padding is
    at the right, of decoders at the left."""
    config = task.config
    length = min(_LENGTH, config.max_length)
    random = np.random.default_rng(0)
    ids = random.integers(0, config.vocabulary_size, [_ROWS, length])
    places = np.arange(length)[None]
    padding = np.minimum(np.array(_SHORTER), length - 1)[:, None]
    if config.stack in ("decoder", "prefix"):
        return ids, (places >= padding).astype(np.int64)
    return ids, (places < length - padding).astype(np.int64)


def difference(keras_task: Any, task: Portable, folder: Path) -> float:
    """How far the graphs of a folder are from what the task gives in float32: the
    largest |graph - task| / max(|task|, 1) at real tokens.

    Args:
        keras_task: of which `task` was made.
        folder: of `write`.
    """
    ids, mask = probe(task)
    if task.config.stack == "encoder":
        found, wanted = _encoder(keras_task, task, folder, ids, mask)
    elif task.config.stack == "encoder_decoder":
        found, wanted = _pair(keras_task, folder, task, ids, mask)
    else:
        found, wanted = _decoder(keras_task, folder, task, ids, mask)
    if wanted.ndim > 1 and wanted.shape[:2] == mask.shape:
        found, wanted = found[mask > 0], wanted[mask > 0]
    return float(np.max(np.abs(found - wanted) / np.maximum(np.abs(wanted), 1.0)))


def check(keras_task: Any, task: Portable, folder: Path) -> None:
    """Refuses graphs that do not give what the task gives.

    Raises:
        RuntimeError: they differ by more than `ROUNDING`.
    """
    if not (away := difference(keras_task, task, folder)) <= ROUNDING:
        raise RuntimeError(
            f"onnxruntime gives other numbers than the {task.task}: they differ by "
            f"{away:.2g}, more than {ROUNDING:g}"
        )


def _encoder(keras_task, task, folder, ids, mask) -> tuple[np.ndarray, np.ndarray]:
    given = {"input_ids": ids, "attention_mask": mask}
    features = {"token_ids": ids, "padding_mask": mask}
    if task.config.segment_types > 1:
        segments = (np.arange(ids.shape[1]) > 2).astype(np.int64)[None] * mask
        given["token_type_ids"] = features["segment_ids"] = segments
    found = as_the_task_gives(task.head, Session(folder / MODEL)(given))
    return found, _own(keras_task, features)


def _decoder(keras_task, folder, task, ids, mask) -> tuple[np.ndarray, np.ndarray]:
    run = Session(folder / MODEL)
    found = in_two_calls(run, task, ids, mask)
    count = mask.sum(axis=1)
    wanted = np.zeros_like(found)
    for row, n in enumerate(count):  # each alone, without its padding
        some = ids[row : row + 1, -n:]
        features = {"token_ids": some}
        if task.config.stack == "prefix":
            seen = np.arange(n)[None] < n - ids.shape[1] // 2
            features["prefix_mask"] = seen.astype(np.int64)
        wanted[row, -n:] = _own(keras_task, features)[0]
    return found, wanted


def _pair(keras_task, folder, task, ids, mask) -> tuple[np.ndarray, np.ndarray]:
    encoder, decoder = Session(folder / ENCODER), Session(folder / DECODER)
    memory = encoder({"input_ids": ids, "attention_mask": mask})
    memory["encoder_attention_mask"] = mask
    answer = ids[:, ::-1]
    whole = np.ones_like(mask)
    features = {
        "encoder_token_ids": ids,
        "encoder_padding_mask": mask,
        "decoder_token_ids": answer,
    }
    found = in_two_calls(decoder, task, answer, whole, memory)
    return found, _own(keras_task, features)


def in_two_calls(
    run: Session,
    task: Portable,
    ids: np.ndarray,
    mask: np.ndarray,
    memory: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Logits of rows of which the second half is read with the cache of the first."""
    half = ids.shape[1] - ids.shape[1] // 2
    past, logits = empty_cache(task, len(ids)), []
    for first, end in ((0, half), (half, ids.shape[1])):
        given = {"input_ids": ids[:, first:end], "attention_mask": mask[:, :end]}
        outputs = run({**given, **past, **(memory or {})})
        logits.append(outputs["logits"])
        past = as_past(outputs)
    return np.concatenate(logits, axis=1)


def empty_cache(task: Portable, rows: int) -> Arrays:
    """The keys and values before the first token."""
    config = task.config
    empty = np.zeros(
        [rows, config.key_value_heads, 0, config.width_of_head], np.float32
    )
    blocks: Sequence[int] = range(writing_blocks(config))
    names = [f"past_key_values.{i}.{part}" for i in blocks for part in ("key", "value")]
    return dict.fromkeys(names, empty)


def as_past(outputs: Mapping[str, np.ndarray]) -> Arrays:
    """The cache that a call gave, as the next one takes it."""
    return {
        name.replace("present", "past_key_values"): array
        for name, array in outputs.items()
        if name.startswith("present.")
    }


def _own(keras_task: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    given = {name: tf.constant(x, tf.int32) for name, x in features.items()}
    with in_float32(keras_task):
        return keras_task(given).numpy()

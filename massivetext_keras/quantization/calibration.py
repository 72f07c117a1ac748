"""Codes of 4 bits for the kernels of a task, by what they multiply of some texts."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.stored import matrix_of, store
from massivetext_keras.quantization.awq import awq
from massivetext_keras.quantization.gptq import gptq

logger = logging.getLogger(__name__)

METHODS = ("best", "gptq", "awq", "nearest")
"""How weights are rounded; `best` takes what changes the answers least."""
_HELD_OUT = 4  # one text of so many is not calibrated on, but measured
_ROWS = 8  # texts that are read at once
_BLOCK = re.compile(r"(.*\bblock_\d+)/")

Features = Mapping[str, tf.Tensor]
# Of a matrix: how it is stored, and what is encoded (None: the nearest).
Found = dict[str, tuple[Storage, dict[str, np.ndarray] | None]]


def calibrated(
    task: Any,
    layers: Mapping[str, keras.Layer],
    storage: Storage,
    texts: Any,
    method: str,
) -> Found:
    """How each matrix of a task is to be stored, see `Quantization.apply`.

    Kernels of one block are rounded by what they multiply when those of the blocks
    before are rounded already. Tables, and what the texts do not reach, are rounded to
    the nearest. The task is as it was in the end.

    Args:
        task: with `preprocessor` and `call`.
        layers: of the matrices, by path.
        storage: of "int4".
        texts: as `Preprocessor` takes them.
        method: of `METHODS`.

    Raises:
        ValueError: there is no text that is not empty, or too few to measure on; or
            answers to measure are not finite.
    """
    batches = features_of(task, texts)
    tried = METHODS[1:] if method == "best" else (method,)
    if len(tried) == 1:
        return _with_floats_again(task, layers, storage, batches, method)[0]
    if len(batches) < 2:
        raise ValueError(
            f"texts: more than {_ROWS} are needed to measure which method is best"
        )
    held_out = batches[::_HELD_OUT]
    learnt = [x for i, x in enumerate(batches) if i % _HELD_OUT]
    wanted = [_answers(task, features) for features in held_out]

    def attempt(name: str) -> tuple[float, Found]:
        found, answers = _with_floats_again(
            task, layers, storage, learnt, name, held_out
        )
        error = _relative_error(answers, wanted)
        logger.info("%s: answers change by %.4f of their size", name, error)
        return (np.inf if np.isnan(error) else error), found

    least, best = min(map(attempt, tried), key=lambda one: one[0])
    if np.isinf(least):
        raise ValueError("the task's answers to the texts are not all finite")
    return best


def features_of(task: Any, texts: Any) -> list[Features]:
    """Texts, or pairs of a source and its target, as batches of features.

    Raises:
        ValueError: all of them are empty.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    pairs = [text if isinstance(text, tuple) else (text,) for text in texts]
    pairs = [pair for pair in pairs if all(side.strip() for side in pair)]
    if not pairs:
        raise ValueError("texts: there is none to calibrate on that is not empty")
    if len({len(pair) for pair in pairs}) > 1:
        raise ValueError("texts: some are pairs (source, target), some are not")
    preprocess = task.preprocessor()
    pairs.sort(key=lambda pair: len(pair[0]))  # texts of like lengths, little padding
    found = []
    for start in range(0, len(pairs), _ROWS):
        sides = [list(side) for side in zip(*pairs[start : start + _ROWS], strict=True)]
        found.append(preprocess(tuple(sides) if len(sides) > 1 else sides[0]))
    return found


class _Seen:
    """What a kernel multiplied so far: X^T X, and mean sizes of its inputs."""

    def __init__(self, inputs: int):
        self.products = tf.zeros([inputs, inputs], tf.float64)
        self.sizes, self.rows = tf.zeros([inputs], tf.float64), 0

    def add(self, rows: tf.Tensor) -> None:
        """Takes rows [m, inputs] in."""
        products = tf.matmul(rows, rows, transpose_a=True)
        self.products += tf.cast(products, tf.float64)
        self.sizes += tf.cast(tf.reduce_sum(tf.abs(rows), axis=0), tf.float64)
        self.rows += rows.shape[0]


def _with_floats_again(
    task: Any,
    layers: Mapping[str, keras.Layer],
    storage: Storage,
    batches: Sequence[Features],
    method: str,
    held_out: Sequence[Features] = (),
) -> tuple[Found, list[np.ndarray]]:
    """What one method finds, and the answers to `held_out` with that."""
    matrices = {path: matrix_of(layer).numpy() for path, layer in layers.items()}
    try:
        found = _rounded(task, layers, storage, batches, method)
        return found, [_answers(task, features) for features in held_out]
    finally:
        for path, layer in layers.items():
            store(layer, None)
            matrix_of(layer).assign(matrices[path])


def _rounded(task, layers, storage, batches, method) -> Found:
    found: Found = {}
    kernels = {path: x for path, x in layers.items() if isinstance(x, Dense)}

    def keep(path: str, how: Storage, parts=None) -> None:
        layer = layers[path]
        matrix = matrix_of(layer).numpy()
        store(layer, how)
        after = matrix_of(layer)
        after.take(matrix) if parts is None else after.assign(parts)
        found[path] = how, parts

    for path in layers:
        if path not in kernels or method == "nearest":
            keep(path, storage)
    if method == "nearest":
        return found
    for paths in _in_order(task, kernels, batches[0]):
        seen = _observed(task, {path: kernels[path] for path in paths}, batches)
        for path in paths:
            rows = matrix_of(kernels[path]).numpy().T
            if method == "gptq":
                parts = gptq(storage, rows, seen[path].products.numpy())
                keep(path, storage, parts)
            else:
                scaled = storage.replace(scaled_inputs=True)
                sizes = (seen[path].sizes / seen[path].rows).numpy()
                parts = awq(scaled, rows, seen[path].products.numpy(), sizes)
                keep(path, scaled, parts)
    for path in kernels.keys() - found.keys():
        logger.warning("the texts do not reach %s: rounded to the nearest", path)
        keep(path, storage)
    return found


def _in_order(
    task: Any, kernels: Mapping[str, Dense], features: Features
) -> list[list[str]]:
    """Paths of kernels in the order in which they are used, those of a block
    together."""
    used: dict[str, list[str]] = {}

    def note(path: str) -> None:
        block = _BLOCK.match(path)
        paths = used.setdefault(block[1] if block else path, [])
        if path not in paths:
            paths.append(path)

    with _observing(
        {path: (lambda rows, p=path: note(p)) for path in kernels}, kernels
    ):
        task(features)
    return list(used.values())


def _observed(
    task: Any, kernels: Mapping[str, Dense], batches: Sequence[Features]
) -> dict[str, _Seen]:
    """What some kernels multiply, but for padding."""
    seen = {path: _Seen(layer.kernel.shape[0]) for path, layer in kernels.items()}
    for features in batches:
        masks = [x for k, x in features.items() if k.endswith("padding_mask")]

        def add(path, rows, masks=masks):
            rows = tf.cast(rows, tf.float32)
            for mask in masks:
                if tf.size(mask) == rows.shape[0]:
                    rows = tf.boolean_mask(rows, tf.reshape(mask, [-1]) > 0)
                    break
            seen[path].add(rows)

        observers = {path: (lambda rows, p=path: add(p, rows)) for path in kernels}
        with _observing(observers, kernels):
            task(features)
    return seen


@contextlib.contextmanager
def _observing(observers: Mapping[str, Any], kernels: Mapping[str, Dense]) -> Iterator:
    try:
        for path, observer in observers.items():
            kernels[path].observe = observer
        yield
    finally:
        for path in observers:
            kernels[path].observe = None


def _answers(task: Any, features: Features) -> np.ndarray:
    """All numbers that a task gives for features."""
    given = tf.nest.flatten(task(features))
    floats = [tf.reshape(x, [-1]) for x in given if x.dtype.is_floating]
    return tf.concat([tf.cast(x, tf.float32) for x in floats], axis=0).numpy()


def _relative_error(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """Norm of the differences, as a share of that of what is wanted."""
    wrong = sum(float(np.sum((a - b) ** 2)) for a, b in zip(found, wanted, strict=True))
    return (wrong / sum(float(np.sum(b**2)) for b in wanted)) ** 0.5

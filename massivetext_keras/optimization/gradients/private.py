"""Gradients that tell little of any one row: each is clipped, and noise is added."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.distribution.replicas import sum_over_replicas
from massivetext_keras.kernels.random import hashed, keys_from
from massivetext_keras.layers.masks import lengths_of
from massivetext_keras.models.backbone import FEATURES
from massivetext_keras.optimization.update import dense_gradients

_SAMPLING = ("poisson", "epochs")
_MOST_ROWS, _MOST_BYTES = 16, 1 << 28


@dataclasses.dataclass(frozen=True)
class DPSGD:
    """Differentially private training (Abadi et al., 2016), for `compile(privacy=…)`.

    The gradient of each row's own loss, the mean over its labels, is scaled down to a
    norm of at most `clip_norm`; to the sum over the global batch noise is added, once;
    and that is divided by the rows that a batch has, or is expected to have. What the
    weights then tell of a row is bounded by `privacy.epsilon`. Losses and measures that
    are shown while training are of the data itself, and not private. Noise is a
    function of the task's seed, of `compile` and of the update: keep the seed for
    yourself, and take another one for another training on the same data.

    Attributes:
        clip_norm: bound on the norm of a row's gradient, of all weights together.
        noise_multiplier: standard deviation of the noise, as a multiple of it.
        delta: probability with which the bound may fail; less than 1 / rows.
        sampling: how batches are made, which epsilon depends on: "poisson", each row
            is in each batch with the same probability (`privacy.poisson_batches`), or
            "epochs", each row once in each pass over the data, as `datasets` and
            `fine_tune` have it.
        expected_rows: of a global batch, for "poisson" (None: the rows that it has).

    Raises:
        ValueError: a number is out of its range.

    >>> DPSGD(clip_norm=0.5).noise_multiplier
    1.1
    """

    clip_norm: float = 1.0
    noise_multiplier: float = 1.1
    delta: float = 1e-5
    sampling: str = "epochs"
    expected_rows: int | None = None

    def __post_init__(self):
        if not 0.0 < self.clip_norm < float("inf"):
            raise ValueError(f"clip_norm must be positive, got {self.clip_norm}")
        if not 0.0 <= self.noise_multiplier < float("inf"):
            raise ValueError(
                f"noise_multiplier must be at least 0, got {self.noise_multiplier}"
            )
        if not 0.0 < self.delta < 1.0:
            raise ValueError(f"delta must be between 0 and 1, got {self.delta}")
        if self.sampling not in _SAMPLING:
            raise ValueError(f"sampling must be one of {', '.join(_SAMPLING)}")
        if (self.expected_rows is None) == (self.sampling == "poisson"):
            raise ValueError(
                "expected_rows is for sampling='poisson', which needs it: the rows of "
                "a batch are random there, and their number is not to be told"
            )


def clipped_gradients(task: Any, batch: tuple, counts: list, key: tf.Tensor) -> tuple:
    """What `TrainingStep` makes of a batch: its losses, their parts, and the sum of the
    clipped gradients of its rows, some of which are made side by side.

    Args:
        task: whose `privacy` says how.
        batch: features, labels and weights of the rows of this replica.
        counts: of the global batch, see `TrainingStep.loss_counts`.
        key: uint32 scalar, of dropout.

    Returns:
        As `TrainingStep` has them without privacy, but for the gradients, which are
        not of the mean.
    """
    variables = task.trainable_variables
    rows = tf.shape(tf.nest.flatten(batch)[0])[0]
    lengths = _lengths(task, batch)
    order = tf.range(rows) if lengths is None else tf.argsort(lengths)
    # XLA wants one shape
    at_once = 1 if task.jit_compile else rows_at_once(variables)

    def gradients_of(given):
        i, row = given
        row = tf.nest.map_structure(lambda x: x[tf.newaxis], row)
        with keys_from(hashed(key, i)), tf.GradientTape() as tape:
            losses = (task.teaching or task.summed_loss)(*row, training=True)
            own = task.loss_counts(*row)
            summed, parts, loss = task.scaled_loss(losses, row, counts, own)
        return summed, parts, dense_gradients(tape, loss, variables)

    def add(begin, sums):
        end = begin + at_once
        places = order[begin:end] if at_once > 1 else tf.gather(order, [begin])
        some = tf.nest.map_structure(lambda x: tf.gather(x, places), batch)
        if lengths is not None:
            longest = tf.maximum(tf.gather(lengths, places[-1]), 1)
            some = _shortened(some[0], longest), *some[1:]
        of_each = tf.vectorized_map if at_once > 1 else _of_the_only_one
        *losses, found = of_each(gradients_of, (places, some))
        losses = tf.nest.map_structure(lambda x: tf.reduce_sum(x, 0), losses)
        more = *losses, _sum_of_clipped(task.privacy, found)
        return end, tf.nest.map_structure(tf.add, sums, more)

    zeros = [tf.zeros(v.shape) for v in variables]
    begin = tf.constant(0), (tf.constant(0.0), task.no_parts(), zeros)
    return tf.while_loop(lambda i, _: i < rows, add, begin, parallel_iterations=1)[1]


def rows_at_once(variables: Sequence[keras.Variable]) -> int:
    """How many rows' gradients of these variables are held side by side: as many as fit
    into 256 megabytes, at most 16."""
    size = 4 * sum(math.prod(variable.shape) for variable in variables)
    return max(1, min(_MOST_ROWS, _MOST_BYTES // max(size, 1)))


def _lengths(task: Any, batch: tuple) -> tf.Tensor | None:
    """How long rows are without the padding at their end, int32 [batch]; None where it
    stays: labels are by token, or there is one shape alone."""
    features, labels, _ = batch
    mask = features.get("padding_mask") if isinstance(features, dict) else None
    if mask is None or labels.shape.rank != 1 or task.jit_compile:
        return None
    return lengths_of(mask)


def _shortened(features: dict, length: tf.Tensor) -> dict:
    return {k: x[:, :length] if k in FEATURES else x for k, x in features.items()}


def _of_the_only_one(function: Callable, rows: Any) -> Any:
    """As `tf.vectorized_map`, of one row, without what that takes."""
    only = tf.nest.map_structure(lambda x: x[0], rows)
    return tf.nest.map_structure(lambda x: x[tf.newaxis], function(only))


def _sum_of_clipped(privacy: DPSGD, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Over rows, from the gradients of each variable, [rows, …]."""
    flat = [
        tf.reshape(tf.cast(g, tf.float32), [tf.shape(g)[0], math.prod(g.shape[1:])])
        for g in gradients
    ]
    squares = [tf.reduce_sum(tf.square(g), axis=1) for g in flat]
    factors = clipping_factor(privacy, tf.sqrt(tf.add_n(squares)))
    clipped = [tf.math.multiply_no_nan(g, factors[:, tf.newaxis]) for g in flat]
    return [
        tf.reshape(tf.reduce_sum(x, axis=0), g.shape[1:])
        for x, g in zip(clipped, gradients, strict=True)
    ]


def with_noise(
    privacy: DPSGD, sums: list[tf.Tensor], rows: tf.Tensor, key: tf.Tensor
) -> list[tf.Tensor]:
    """The mean of clipped gradients with noise in it, the same on every replica.

    Args:
        sums: over the global batch.
        rows: int32 scalar, of this replica's batch.
        key: uint32 scalar, of the noise of this update.
    """
    expected = privacy.expected_rows
    if expected is None:
        (expected,) = sum_over_replicas([tf.cast(rows, tf.float32)])
    return [
        (g + noise(privacy, g.shape, key, i)) / expected for i, g in enumerate(sums)
    ]


def clipping_factor(privacy: DPSGD, norm: tf.Tensor) -> tf.Tensor:
    """What a row's gradient is multiplied by: 0 where it is not a number.

    Args:
        privacy: whose bound it is.
        norm: float32 of any shape, of gradients.
    """
    factor = tf.minimum(1.0, tf.math.divide_no_nan(privacy.clip_norm, norm))
    return tf.where(norm > 0.0, factor, 0.0)


def noise(privacy: DPSGD, shape: tf.TensorShape, key: tf.Tensor, i: int) -> tf.Tensor:
    """What is added to the sum of a variable's clipped gradients.

    Args:
        privacy: whose deviation it has.
        shape: of the variable.
        key: uint32 scalar, of the noise of this update.
        i: number of the variable among those that are trained.
    """
    deviation = privacy.noise_multiplier * privacy.clip_norm
    seed = [tf.bitcast(key, tf.int32), i]
    return tf.random.stateless_normal(shape, seed, stddev=deviation)

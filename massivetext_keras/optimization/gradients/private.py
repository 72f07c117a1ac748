"""Gradients that tell little of any one row: each is clipped, and noise is added."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from massivetext_keras.distribution.replicas import sum_over_replicas
from massivetext_keras.kernels.random import hashed, keys_from
from massivetext_keras.models.backbone import FEATURES
from massivetext_keras.optimization.update import dense_gradients

_SAMPLING = ("poisson", "epochs")


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
    clipped gradients of its rows, one row at a time.

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
    # Where a label is one number, nothing else is as long as the tokens are; XLA wants
    # one shape.
    shortens = batch[1].shape.rank == 1 and not task.jit_compile

    def gradients_of(i):
        features, *others = tf.nest.map_structure(lambda x: x[i : i + 1], batch)
        if shortens:
            features = without_padding(features)
        row = features, *others
        with keys_from(hashed(key, i)), tf.GradientTape() as tape:
            losses = (task.teaching or task.summed_loss)(*row, training=True)
            own = task.loss_counts(*row)
            summed, parts, loss = task.scaled_loss(losses, row, counts, own)
        return summed, parts, dense_gradients(tape, loss, variables)

    def add(i, sums):
        summed, parts, gradients = gradients_of(i)
        norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in gradients])
        factor = clipping_factor(task.privacy, norm)
        clipped = [
            tf.math.multiply_no_nan(tf.cast(g, tf.float32), factor) for g in gradients
        ]
        more = summed, parts, clipped
        return i + 1, tf.nest.map_structure(tf.add, sums, more)

    zeros = [tf.zeros(v.shape) for v in variables]
    rows = tf.shape(tf.nest.flatten(batch)[0])[0]
    begin = tf.constant(0), (tf.constant(0.0), task.no_parts(), zeros)
    return tf.while_loop(lambda i, _: i < rows, add, begin, parallel_iterations=1)[1]


def without_padding(features: Any) -> Any:
    """A row's features without the padding at its end: the same losses, sooner.

    Args:
        features: of one row; those of `backbone.FEATURES` are cut, int32 [1, length].

    >>> row = {"token_ids": tf.constant([[5, 6, 0, 0]])}
    >>> row["padding_mask"] = tf.constant([[1, 1, 0, 0]])
    >>> without_padding(row)["token_ids"].numpy()
    array([[5, 6]], dtype=int32)
    """
    if not isinstance(features, dict) or "padding_mask" not in features:
        return features
    real = tf.where(features["padding_mask"][0] > 0)
    end = tf.reduce_max(tf.concat([real[:, 0] + 1, [1]], 0))
    return {k: x[:, :end] if k in FEATURES else x for k, x in features.items()}


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
        norm: float32 scalar, of the gradient.
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

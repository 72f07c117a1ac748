"""Training on texts with the worst small changes of what is read of their tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from massivetext_keras.kernels.random import keys_from
from massivetext_keras.models.backbone import VECTORS
from massivetext_keras.optimization.gradients.divergence import (
    divergence,
    weighted_rows,
)
from massivetext_keras.optimization.update import dense_gradients

_PROBE = 0.01  # norm of the step by which a virtual direction is found, as `epsilon`
_DIRECTION = 0x64697265  # tells the key of where it begins from that of dropout


@dataclasses.dataclass(frozen=True)
class AdversarialTraining:
    """Adversarial training (Miyato et al., 2017), for `compile(adversarial=…)`.

    To the loss that of texts is added whose token vectors were moved to where, by the
    gradient, it grows fastest. In place of normal vectors, as the paper has them, the
    distance is relative to what the vectors of a text are: nothing of the model
    changes, and longer vectors are no way out of it. Of an encoder-decoder it is the
    text that is read that is changed. Losses and measures that are shown while training
    are of the texts as they are.

    Attributes:
        epsilon: norm of the change of all tokens of a text together, as a multiple of
            the mean norm of their vectors.
        weight: of the loss that is added.
        virtual: the loss that is added is how far what the task says of the changed
            text is from what it says of the text, and they are changed to where that
            grows fastest: labels are not looked at (virtual adversarial training).

    Raises:
        ValueError: a number is out of its range.

    >>> AdversarialTraining(epsilon=0.5).weight
    1.0
    """

    epsilon: float = 0.3
    weight: float = 1.0
    virtual: bool = False

    def __post_init__(self):
        for name in ("epsilon", "weight"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ValueError(f"{name} must be positive, got {value}")

    @classmethod
    def of(cls, given: AdversarialTraining | Mapping | None):
        """What `compile` is given: one, the fields of one, or None."""
        return cls(**given) if isinstance(given, Mapping) else given


def adversarial_gradients(
    task: Any, batch: tuple, counts: list, key: tf.Tensor
) -> tuple:
    """What `TrainingStep` makes of some rows: their losses, as they are, the parts of
    these, and dense gradients of the loss with what is added.

    All passes have the same dropout.

    Args:
        task: whose `adversarial` says how.
        batch: features, labels and weights of rows of this replica.
        counts: of the global batch, see `TrainingStep.loss_counts`.
        key: uint32 scalar, of dropout.
    """
    how, (features, labels, weights) = task.adversarial, batch
    if task.teaching is not None:
        raise ValueError("adversarial: a student learns from its teacher alone")
    if not isinstance(features, Mapping):
        features = {"token_ids": features}
    side = "encoder_" if "encoder_token_ids" in features else ""
    ids, mask = features[f"{side}token_ids"], _real(features, side)
    tokens = getattr(task.backbone, "encoder_tokens", task.backbone.tokens)
    variables, name = task.trainable_variables, f"{side}{VECTORS}"

    def moved(change):
        return {**features, name: tf.cast(tokens(ids), tf.float32) + change}

    with keys_from(key), tf.GradientTape() as tape:
        vectors = tokens(ids)
        tape.watch(vectors)
        losses = task.summed_loss(
            {**features, name: vectors}, labels, weights, training=True
        )
        summed, parts, loss = task.scaled_loss(losses, batch, counts)
    *gradients, steepest = dense_gradients(tape, loss, [*variables, vectors])
    if how.virtual:
        with keys_from(key):
            wanted = task.choices(task(features, training=True), features)
        first = tf.random.stateless_normal(
            tf.shape(vectors), [tf.bitcast(key, tf.int32), _DIRECTION]
        )
        probe = change_along(first, vectors, mask, _PROBE)
        with keys_from(key), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(probe)
            apart = _apart(task, moved(probe), wanted, weights)
        steepest = tape.gradient(apart, probe)
    change = change_along(steepest, vectors, mask, how.epsilon)
    with keys_from(key), tf.GradientTape() as tape:
        if how.virtual:
            added = _apart(task, moved(change), wanted, weights)
        else:
            losses = task.summed_loss(moved(change), labels, weights, training=True)
            added, _ = task.total(losses, batch, counts)
        mean = how.weight * added / tf.maximum(counts[0], 1.0)
        loss = task.updater.scale_loss(mean)
    more = dense_gradients(tape, loss, variables)
    return summed, parts, tf.nest.map_structure(tf.add, gradients, more)


def change_along(
    direction: tf.Tensor, vectors: tf.Tensor, mask: tf.Tensor, epsilon: float
) -> tf.Tensor:
    """A change of the vectors of texts along a direction; 0 where this has no length.

    Args:
        direction: [..., length, e].
        vectors: [..., length, e].
        mask: float32 [..., length], 0 at padding.
        epsilon: its norm over all tokens of a text, as a multiple of the mean norm of
            the vectors.

    Returns:
        float32 [..., length, e].

    >>> vectors, mask = tf.constant([[[3.0], [5.0], [9.0]]]), tf.constant([[1.0, 1, 0]])
    >>> change_along(tf.ones([1, 3, 1]), vectors, mask, 0.5).numpy().round(3).tolist()
    [[[1.4140000343322754], [1.4140000343322754], [0.0]]]
    """
    direction = tf.cast(direction, tf.float32) * mask[..., None]
    # First by the largest, so that no square is too small for float32.
    largest = tf.reduce_max(tf.abs(direction), axis=[-2, -1], keepdims=True)
    direction = tf.math.divide_no_nan(direction, largest)
    norm = tf.norm(direction, axis=[-2, -1], keepdims=True)
    lengths = tf.norm(tf.cast(vectors, tf.float32), axis=-1) * mask
    mean = tf.math.divide_no_nan(
        tf.reduce_sum(lengths, axis=-1), tf.reduce_sum(mask, axis=-1)
    )
    unit = tf.math.divide_no_nan(direction, norm)
    return tf.stop_gradient(epsilon * mean[..., None, None] * unit)


def _apart(task: Any, features: Mapping, wanted: tf.Tensor, weights: tf.Tensor):
    """How far what is said of changed texts is from `wanted`, summed over rows."""
    found = task.choices(task(features, training=True), features)
    return tf.reduce_sum(weighted_rows(divergence(found, wanted), weights))


def _real(features: Mapping[str, tf.Tensor], side: str) -> tf.Tensor:
    """float32 [..., length], 0 at padding, which is segment 0 of packed rows."""
    masks = (f"{side}{name}" for name in ("padding_mask", "segment_ids", "token_ids"))
    name = next(name for name in masks if name in features)
    mask = features[name]
    real = tf.ones_like(mask) if name.endswith("token_ids") else tf.minimum(mask, 1)
    return tf.cast(real, tf.float32)

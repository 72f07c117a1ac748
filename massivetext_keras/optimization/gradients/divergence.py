"""How far apart what two models say is, or one model of two texts."""

from __future__ import annotations

import tensorflow as tf


def divergence(logits: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Kullback-Leibler divergence of softmax(logits) from softmax(wanted), float32
    [...], of logits [..., n].

    >>> round(float(divergence(tf.constant([0.0, 0.0]), tf.constant([1.0, 0.0]))), 4)
    0.111
    """
    logits, wanted = (tf.cast(x, tf.float32) for x in (logits, wanted))
    found, right = tf.nn.log_softmax(logits), tf.nn.log_softmax(wanted)
    return tf.reduce_sum(tf.exp(right) * (right - found), axis=-1)


def weighted_rows(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sums of losses by row, float32 [batch], each times its weight.

    Args:
        losses: float32, axes of the weights and perhaps more, of which is the mean.
        weights: float32 [batch] or [batch, length].
    """
    more = [*range(weights.shape.rank, losses.shape.rank)]
    losses = tf.reduce_mean(losses, axis=more) * weights
    return tf.reduce_sum(losses, axis=[*range(1, weights.shape.rank)])

"""A model that knows from the first update on how often each token comes."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.tasks.base import Task


def begin_at_unigrams(
    task: Task, batches: TrainingBatches, most: int = 1_000_000
) -> None:
    """Sets the bias of the output layer to the log-probabilities of the labels.

    With small random weights the first loss is the entropy of the tokens' frequencies
    then, not that of a uniform choice, and no update is spent on learning them.

    Args:
        task: new; of an encoder its head has such a bias, else its config `logit_bias`.
        batches: that it is going to learn. Of an epoch of them so many are counted that
            there are `most` labels, each once more than it was seen.
        most: labels.

    Raises:
        ValueError: the output layer has no bias.
    """
    head = getattr(task, "head", None)
    bias = getattr(head, "bias", task.backbone.logit_bias)
    if bias is None:
        raise ValueError(
            f"{type(task).__name__} has no bias of its output layer: make it of a "
            "config with logit_bias=True"
        )
    counts = np.ones(bias.shape)
    in_batch = int(tf.size(batches.batch(tf.constant(0, tf.int64))[1]))
    for k in range(min(batches.per_epoch, math.ceil(most / in_batch))):
        _, labels, weights = batches.batch(tf.constant(k, tf.int64))
        weights = np.broadcast_to(weights.numpy(), labels.shape)
        counts += np.bincount(labels.numpy().ravel(), weights.ravel(), len(counts))
    bias.assign(np.log(counts / counts.sum()))

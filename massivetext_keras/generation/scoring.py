"""How probable texts are to a language model."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.data.batching.buckets import Batches
from massivetext_keras.evaluation.likelihood import bits_per_byte
from massivetext_keras.generation.precision import in_float32
from massivetext_keras.generation.texts import first_id
from massivetext_keras.kernels.cross_entropy import token_losses
from massivetext_keras.support.threads import made_once


def held_out_loss(task, batches: Batches) -> dict[str, float]:
    """The loss of what has a weight, in float32, whether the task is compiled or not.

    Args:
        task: a language model with `summed_loss` and `label_bytes`.
        batches: features, labels and weights.

    Returns:
        `loss`, nats per token; and `bits_per_byte` where the bytes are known.
    """
    nats, tokens, size = 0.0, 0.0, 0.0
    summed = _summed_nats(task)
    for features, labels, weights in batches.validation():
        nats += float(summed(features, labels, weights))
        tokens += float(tf.reduce_sum(weights))
        if (lengths := task.label_bytes(labels)) is not None:
            size += float(tf.reduce_sum(lengths * weights))
    bits = {"bits_per_byte": bits_per_byte(nats, int(size))} if size else {}
    return {"loss": nats / tokens, **bits}


@made_once
def _summed_nats(task):
    @tf.function(reduce_retracing=True, autograph=False)
    def nats(features, labels, weights):
        with in_float32(task.backbone):
            return task.summed_loss(features, labels, weights, False)[0][0]

    return nats


def log_probabilities(task, texts: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of texts, in nats, inside a graph: see `CausalLM.score`.

    Args:
        task: with a tokenizer.
        texts: string [batch].

    Returns:
        float32 [batch].
    """
    tokenizer = task.need_tokenizer()
    ids = tokenizer.tokenize(texts)
    start = first_id(tokenizer)
    if start is not None:
        starts = tf.fill([ids.nrows(), 1], tf.constant(start, ids.dtype))
        ids = tf.concat([starts, ids], axis=1)
    return tf.map_fn(
        lambda row: _log_probability(task, row), ids, fn_output_signature=tf.float32
    )


def _log_probability(task, ids: tf.Tensor) -> tf.Tensor:
    """Ids [length] -> log-probability of all but the first, in windows."""
    context = task.config.max_length
    count = tf.maximum((tf.size(ids) - 2) // context + 1, 1)
    window = tf.minimum(tf.maximum(tf.size(ids) - 1, 1), context)
    padded = tf.pad(ids, [[0, count * window + 1 - tf.size(ids)]])
    inputs = tf.reshape(padded[:-1], [-1, window])
    labels = tf.reshape(padded[1:], [-1, window])
    with in_float32(task.backbone):
        logits = task.call({"token_ids": inputs})
    losses = tf.reshape(token_losses(logits, labels), [-1])
    return -tf.reduce_sum(losses[: tf.size(ids) - 1])

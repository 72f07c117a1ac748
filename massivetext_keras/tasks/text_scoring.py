"""How probable texts are to a causal language model."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.layers.loss import token_losses
from massivetext_keras.tasks.text_generation import first_id


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

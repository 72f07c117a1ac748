"""Cross-entropy over a vocabulary that never holds all the logits."""

from __future__ import annotations

import tensorflow as tf

from massivetext_keras.layers.fused import island

# Logits per chunk: 512 tokens of an 8,192-token vocabulary, 8 MB in bfloat16.
_CHUNK_LOGITS = 1 << 22


@island
def _chunk_loss(logits, labels, weights):
    """Weighted negative log-probabilities [n] and their gradient by the logits."""
    logits32 = tf.cast(logits, tf.float32)
    shifted = logits32 - tf.reduce_max(logits32, -1, keepdims=True)
    exponentials = tf.exp(shifted)
    totals = tf.reduce_sum(exponentials, -1, keepdims=True)
    target = labels[:, None] == tf.range(tf.shape(logits)[1])
    of_target = tf.reduce_sum(tf.where(target, shifted, 0.0), -1)
    losses = (tf.math.log(totals[:, 0]) - of_target) * weights
    probabilities = exponentials / totals
    gradient = tf.where(target, probabilities - 1.0, probabilities) * weights[:, None]
    return losses, tf.cast(gradient, logits.dtype)


@tf.custom_gradient
def cross_entropy(
    hidden: tf.Tensor, matrix: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Sum of weighted -log p(label), the output layer included.

    Logits exist for a few hundred tokens at a time; the gradient is made with them in
    the forward pass, so that they are computed once and never stored.

    Args:
        hidden: [tokens, d].
        matrix: [vocabulary, d], the output layer.
        labels: int32 [tokens].
        weights: float32 [tokens]; 0 leaves a token out.

    Returns:
        float32 scalar.

    >>> import tensorflow as tf
    >>> round(float(cross_entropy(tf.zeros([1, 2]), tf.zeros([4, 2]), [3], [1.0])), 4)
    1.3863
    """
    hidden, matrix = tf.convert_to_tensor(hidden), tf.convert_to_tensor(matrix)
    labels = tf.convert_to_tensor(labels, tf.int32)
    weights = tf.convert_to_tensor(weights, tf.float32)
    tokens, vocabulary = hidden.shape[0] or tf.shape(hidden)[0], matrix.shape[0]
    chunk = max(1, _CHUNK_LOGITS // vocabulary)
    if not isinstance(tokens, int):
        chunk = tokens
        bounds = [(0, tokens)]
    else:
        bounds = [(i, min(i + chunk, tokens)) for i in range(0, tokens, chunk)]
    losses, dhidden, dmatrix = [], [], tf.zeros(matrix.shape, tf.float32)
    for start, end in bounds:
        rows = hidden[start:end]
        logits = tf.matmul(rows, matrix, transpose_b=True)
        loss, dlogits = _chunk_loss(logits, labels[start:end], weights[start:end])
        losses.append(tf.reduce_sum(loss))
        dhidden.append(tf.matmul(dlogits, matrix))
        dmatrix += tf.cast(tf.matmul(dlogits, rows, transpose_a=True), tf.float32)

    def backward(upstream):
        dh = tf.concat(dhidden, 0)
        return (
            dh * tf.cast(upstream, dh.dtype),
            tf.cast(dmatrix * upstream, matrix.dtype),
            None,
            None,
        )

    return tf.add_n(losses), backward


def token_losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log p(label) of every token: logits [..., vocabulary], int labels [...]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

"""Cross-entropy over a vocabulary: as it reads, and without all the logits at once."""

from __future__ import annotations

import math

import tensorflow as tf

from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.product import product
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.split import after, column_blocks, is_split
from massivetext_keras.kernels.tuning import process_tuner

# Logits per chunk: 1,024 tokens of an 8,192-token vocabulary, 16 MB in bfloat16.
CHUNK_LOGITS = 1 << 23
# Logits of a chunk that are worth finding the faster form for.
_LEAST_LOGITS = 1 << 20
_ROWS_MEASURED, _MOST_COLUMNS_MEASURED = 128, 1 << 13


@island
def _normalize(logits, largest, labels, smoothing):
    """Log of each row's partition sum [n], and the gradient by the logits."""
    largest = tf.cast(largest, tf.float32)
    exponentials = tf.exp(tf.cast(logits, tf.float32) - largest)
    totals = tf.reduce_sum(exponentials, -1, keepdims=True)
    target = labels[:, None] == tf.range(tf.shape(logits)[1])
    gradient = exponentials * (1.0 / totals)
    if smoothing:
        gradient -= smoothing / tf.cast(tf.shape(logits)[1], tf.float32)
    gradient = tf.where(target, gradient - (1.0 - smoothing), gradient)
    return tf.math.log(totals[:, 0]) + largest[:, 0], tf.cast(gradient, logits.dtype)


@island
def _accumulate(total, part):
    return tf.cast(total, tf.float32) + tf.cast(part, tf.float32)


def _by_partition(logits, labels, smoothing=0.0, mean_logits=None):
    """Negative log-probabilities [n] and their gradient by the logits [n, vocabulary],
    from each row's largest logit and sum of exponentials."""
    largest = tf.reduce_max(logits, -1, keepdims=True)
    partition, gradient = _normalize(logits, largest, labels, smoothing)
    if column_blocks() == 1:
        scores = tf.cast(tf.gather(logits, labels, batch_dims=1), tf.float32)
    else:  # columns are on several devices: sums cross over, not logits
        target = labels[:, None] == tf.range(logits.shape[1])
        told = tf.where(target, tf.cast(logits, tf.float32), 0.0)
        scores = tf.reduce_sum(told, -1)
    if smoothing:
        scores = (1.0 - smoothing) * scores + smoothing * mean_logits
    return partition - scores, gradient


def _by_softmax(logits, labels):
    """The same without smoothing, from TensorFlow's softmax, which oneDNN makes in one
    pass: the gradient is written over it. Probabilities are of the dtype of the
    logits, and so are their logarithms as exact."""
    probabilities = tf.nn.softmax(logits)
    places = tf.stack([tf.range(tf.shape(labels)[0]), labels], 1)
    told = tf.gather_nd(probabilities, places)
    losses = tf.cond(
        tf.reduce_min(told) > 0,
        lambda: -tf.math.log(tf.cast(told, tf.float32)),
        lambda: _by_partition(logits, labels)[0],  # less than there are numbers for
    )
    return losses, tf.tensor_scatter_nd_update(probabilities, places, told - 1)


_FORMS = {"partition": _by_partition, "softmax": _by_softmax}


def _form(logits: tf.Tensor):
    """The form that is the fastest for logits [n, vocabulary]."""
    rows, columns = logits.shape
    tuner = process_tuner()
    if tuner is None or rows is None or rows * columns < _LEAST_LOGITS:
        return _by_partition
    shape = [_ROWS_MEASURED, min(columns, _MOST_COLUMNS_MEASURED)]

    def arguments():
        labels = tf.range(shape[0])
        return [
            tf.cast(tf.random.stateless_normal(shape, [1, 2]), logits.dtype),
            labels,
        ]

    what = f"cross-entropy {shape[0]} x {shape[1]}, {logits.dtype.name}"
    return _FORMS[tuner.fastest(what, _FORMS, arguments)]


def cross_entropy(
    hidden: tf.Tensor,
    matrix: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    bias: tf.Tensor | None = None,
    smoothing: float = 0.0,
    chunk_logits: int = CHUNK_LOGITS,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum of weighted -log p(label), the output layer included, and its parts.

    Logits exist for a few hundred tokens at a time; the gradient is made with them in
    the forward pass, so that they are computed once and never stored.

    Args:
        hidden: [tokens, d] or [batch, length, d]; on a mesh, whose devices have rows,
            it is cut along the length.
        matrix: float32 [vocabulary, d], the output layer; its gradient is summed in
            float32, the products are of the dtype of `hidden`.
        labels: int32 [tokens], or [batch, length].
        weights: float32, as `labels`; 0 leaves a token out.
        bias: float32 [vocabulary], added to the logits.
        smoothing: share of each label that is spread evenly over the vocabulary
            (Szegedy et al., 2016).
        chunk_logits: how many logits there are at a time, where the number of tokens
            is known.

    Returns:
        float32 scalar, and float32, as `labels`, from which no gradient flows.

    >>> import tensorflow as tf
    >>> total, _ = cross_entropy(tf.zeros([1, 2]), tf.zeros([4, 2]), [3], [1.0])
    >>> round(float(total), 4)
    1.3863
    """
    hidden, matrix = tf.convert_to_tensor(hidden), tf.convert_to_tensor(matrix)
    labels = tf.convert_to_tensor(labels, tf.int32)
    weights, shape = tf.convert_to_tensor(weights, tf.float32), shape_of(labels)
    if is_split():
        weights = tf.reshape(weights, shape)
    else:
        hidden, labels, weights = _flat(hidden, labels, weights)
    biases = [] if bias is None else [tf.convert_to_tensor(bias)]

    @tf.custom_gradient
    def summed(hidden, matrix, *biases):
        chunk = max(1, chunk_logits // matrix.shape[0])
        parts = _summed(hidden, matrix, labels, weights, biases, smoothing, chunk)
        losses, dhidden, dmatrix, *dbias = parts

        def backward(upstream, _):
            return (
                dhidden * tf.cast(upstream, dhidden.dtype),
                tf.cast(tf.cast(dmatrix, tf.float32) * upstream, matrix.dtype),
                *[x * upstream for x in dbias],
            )

        return (tf.reduce_sum(losses), losses), backward

    total, losses = summed(hidden, matrix, *biases)
    return total, tf.reshape(losses, shape)


def _summed(hidden, matrix, labels, weights, biases, smoothing, chunk) -> list:
    """Losses, as `labels`; gradients of their sum by hidden states, matrix and any
    bias.

    Args:
        chunk: tokens that have logits at a time.
    """
    rounded, axis = tf.cast(matrix, hidden.dtype), hidden.shape.rank - 2
    losses: list[tf.Tensor] = []
    dhidden, dmatrix, dbias, mean_logits = [], None, [], None
    for cut in _cuts(hidden, axis, chunk):
        cuts = [x[cut] if cut else x for x in (hidden, labels, weights)]
        rows, told, weight = _flat(*cuts) if axis else cuts
        if losses:
            rows, told = after(rows, dmatrix), after(told, dmatrix)
        logits = product(rows, rounded, transpose_b=True)
        for bias in biases:
            logits = logits + tf.cast(bias, logits.dtype)
        if smoothing:
            mean_row = tf.reduce_mean(matrix, axis=0)
            mean_logits = tf.linalg.matvec(tf.cast(rows, tf.float32), mean_row)
            mean_logits += sum(map(tf.reduce_mean, biases))
            loss, dlogits = _by_partition(logits, told, smoothing, mean_logits)
        else:
            loss, dlogits = _form(logits)(logits, told)
        losses.append(tf.reshape(loss * weight, shape_of(cuts[1])))
        # The weights go where there are few numbers, not onto the logits' gradient.
        scale = tf.cast(weight[:, None], rows.dtype)
        drows = product(dlogits, rounded) * scale
        dhidden.append(tf.reshape(drows, shape_of(cuts[0])))
        part = product(dlogits, rows * scale, transpose_a=True)
        dmatrix = part if dmatrix is None else _accumulate(dmatrix, part)
        if biases:
            dbias.append(tf.matmul(scale, dlogits, transpose_a=True)[0])
    gradients = [tf.cast(tf.add_n(dbias), tf.float32)] if biases else []
    return [tf.concat(losses, axis), tf.concat(dhidden, axis), dmatrix, *gradients]


def _cuts(hidden: tf.Tensor, axis: int, chunk: int) -> list[tuple[slice, ...]]:
    """Cuts along an axis that have at most so many tokens, where their number is
    known."""
    *outer, length, _ = hidden.shape
    if None in (*outer, length):
        return [()]
    step = max(1, chunk // math.prod(outer))
    every = (slice(None),) * axis
    return [(*every, slice(i, i + step)) for i in range(0, length, step)]


def _flat(hidden: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple:
    """As rows [tokens, d], labels and weights [tokens]."""
    rows = tf.reshape(hidden, [-1, hidden.shape[-1]])
    return rows, tf.reshape(labels, [-1]), tf.reshape(weights, [-1])


def plain_cross_entropy(
    hidden: tf.Tensor,
    matrix: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    bias: tf.Tensor | None = None,
    smoothing: float = 0.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`cross_entropy` as it reads, with all the logits at once.

    >>> total, _ = plain_cross_entropy(tf.zeros([1, 2]), tf.zeros([4, 2]), [3], [1.0])
    >>> round(float(total), 4)
    1.3863
    """
    logits = tf.matmul(hidden, matrix, transpose_b=True)
    logits = tf.cast(logits, tf.float32) + (0.0 if bias is None else bias)
    losses = _smoothed_losses(logits, labels, smoothing) * weights
    return tf.reduce_sum(losses), losses


def _smoothed_losses(logits, labels, smoothing):
    losses = token_losses(logits, labels)
    if not smoothing:
        return losses
    spread = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return (1.0 - smoothing) * losses + smoothing * spread


def token_losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log p(label) of every token: logits [..., vocabulary], int labels [...]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def logits_losses(
    logits: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, smoothing: float = 0.0
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """What `cross_entropy` gives, for logits that there are.

    Args:
        logits: float32 [batch, length, vocabulary].
        labels: int32 [batch, length].
        weights: float32 [batch, length]; 0 leaves a token out.
        smoothing: share of each label that is spread evenly over the vocabulary.

    Returns:
        A list of the float32 scalar, and float32 [batch], its part of each row.

    >>> import tensorflow as tf
    >>> (total,), _ = logits_losses(tf.zeros([1, 1, 4]), [[3]], tf.ones([1, 1]), 0.1)
    >>> round(float(total), 4)
    1.3863
    """
    losses = _smoothed_losses(logits, labels, smoothing)
    rows = tf.reduce_sum(losses * weights, axis=-1)
    return [tf.reduce_sum(rows)], rows

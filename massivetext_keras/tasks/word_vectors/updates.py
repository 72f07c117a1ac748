"""One update of the vectors by some blocks of words: the four ways to predict words.

Words of a block and their neighbours are two matrices, so that all their scores are one
product of matrices, and so is each gradient; a row is read and changed once for all of
its pairs. The negative words of a block are shared by its pairs, each with the weight
that makes their sum what it is with `negatives` words of its own for each pair (Ji et
al., 2016, "Parallelizing word2vec in shared and distributed memory").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.tasks.word_vectors.rows import Rows


class Blocks(NamedTuple):
    """What one update learns from; see `batches.blocks`."""

    tokens: tf.Tensor  # int32 [blocks, window + block + window]
    sequences: tf.Tensor  # the same
    reach: tf.Tensor  # int32 [blocks, block]
    drawn: tf.Tensor  # int32 [blocks, block]


class Update(NamedTuple):
    """Changes of rows before the learning rate, and what they are for.

    Attributes:
        inputs, outputs: of both tables ids, their changes float32 [..., d], and their
            curvatures float32 [...]: bounds of the second derivatives of the loss.
        loss: sum over the predictions, in nats, and their number.
    """

    inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    outputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    loss: tuple[tf.Tensor, tf.Tensor]


def neighbours(blocks: Blocks, window: int) -> tf.Tensor:
    """1 where a word is within reach of another one and of its sequence, float32
    [blocks, block, window + block + window].

    >>> some = Blocks(*(tf.constant([x]) for x in ([5, 6, 7], [0, 0, 1], [1], [0])))
    >>> neighbours(some, 1).numpy().tolist()
    [[[1.0, 0.0, 0.0]]]
    """
    size = blocks.reach.shape[1]
    places = np.arange(size + 2 * window) - window
    far = np.abs(places[None, :] - np.arange(size)[:, None])
    own = blocks.sequences[:, window : window + size, None]
    near = (tf.constant(far, tf.int32) <= blocks.reach[:, :, None]) & (far > 0)
    near &= (blocks.sequences[:, None, :] == own) & (own >= 0)
    return tf.cast(near, tf.float32)


def skipgram(
    blocks: Blocks, inputs: Rows, outputs: Rows, window: int, negatives: int
) -> Update:
    """Each word predicts its neighbours, by negative sampling (Mikolov et al.)."""
    near = neighbours(blocks, window)
    own = blocks.tokens[:, window : window + blocks.reach.shape[1]]
    others = tf.concat([blocks.tokens, blocks.drawn], axis=1)
    x, y = inputs.find(own), outputs.find(others)
    scores = tf.matmul(x, y, transpose_b=True)
    shared = negatives / blocks.drawn.shape[1]
    drawn = tf.reduce_sum(near, -1, keepdims=True) * shared
    weights = tf.concat(
        [near, drawn + tf.zeros_like(blocks.drawn[:, None], near.dtype)], -1
    )
    split = near.shape[-1]
    right = tf.concat([near, tf.zeros_like(weights[:, :, split:])], -1)
    chance = tf.sigmoid(scores)
    slopes = right - weights * chance
    bends = weights * chance * (1.0 - chance)
    signs = tf.constant([-1.0] * split + [1.0] * blocks.drawn.shape[1])
    loss = tf.reduce_sum(weights * tf.nn.softplus(scores * signs))
    return Update(
        (own, tf.matmul(slopes, y), tf.linalg.matvec(bends, _squares(y))),
        (
            others,
            tf.matmul(slopes, x, transpose_a=True),
            tf.linalg.matvec(bends, _squares(x), transpose_a=True),
        ),
        (loss, tf.reduce_sum(near)),
    )


def cbow(
    blocks: Blocks, inputs: Rows, outputs: Rows, window: int, negatives: int
) -> Update:
    """The mean of its neighbours predicts each word; all of them get the whole gradient
    of the mean, as in word2vec's program."""
    near, size = neighbours(blocks, window), blocks.reach.shape[1]
    own = blocks.tokens[:, window : window + size]
    count = tf.reduce_sum(near, -1, keepdims=True)
    has = tf.minimum(count, 1.0)
    mean = tf.matmul(tf.math.divide_no_nan(near, count), inputs.find(blocks.tokens))
    y, drawn = outputs.find(own), outputs.find(blocks.drawn)
    right = tf.reduce_sum(mean * y, -1, keepdims=True)
    wrong = tf.matmul(mean, drawn, transpose_b=True)
    weight = has * (negatives / blocks.drawn.shape[1])
    up, chance = has * tf.sigmoid(-right), tf.sigmoid(wrong)
    down = -weight * chance
    bend, bends = up * tf.sigmoid(right), -down * (1.0 - chance)
    curvature = bend[..., 0] * _squares(y) + tf.linalg.matvec(bends, _squares(drawn))
    size2 = _squares(mean)
    change = up * y + tf.matmul(down, drawn)
    loss = tf.reduce_sum(has * tf.nn.softplus(-right))
    loss += tf.reduce_sum(weight * tf.nn.softplus(wrong))
    return Update(
        (
            blocks.tokens,
            tf.matmul(near, change, transpose_a=True),
            tf.linalg.matvec(near, curvature, transpose_a=True),
        ),
        (
            tf.concat([own, blocks.drawn], 1),
            tf.concat([up * mean, tf.matmul(down, mean, transpose_a=True)], 1),
            tf.concat(
                [
                    bend[..., 0] * size2,
                    tf.linalg.matvec(bends, size2, transpose_a=True),
                ],
                1,
            ),
        ),
        (loss, tf.reduce_sum(has)),
    )


class Hierarchical:
    """The same by hierarchical softmax (Morin & Bengio, 2005): which way to go at each
    node on the path to a word.

    Args:
        nodes: int32 [words, longest], -1 behind the end of a path.
        left: float32 [words, longest].
    """

    def __init__(self, nodes: np.ndarray, left: np.ndarray):
        with tf.init_scope():
            self._nodes = tf.constant(np.maximum(nodes, 0))
            self._on_path = tf.constant((nodes >= 0).astype(np.float32))
            self._left = tf.constant(left)

    def skipgram(
        self, blocks: Blocks, inputs: Rows, outputs: Rows, window: int, negatives: int
    ) -> Update:
        """Each word is predicted by each of its neighbours."""
        size = blocks.reach.shape[1]
        offsets = np.delete(np.arange(-window, window + 1), window)
        places = np.arange(size)[:, None] + window + offsets
        own = blocks.tokens[:, window : window + size]
        around = tf.gather(blocks.tokens, places, axis=1)
        sequence = blocks.sequences[:, window : window + size, None]
        near = np.abs(offsets).astype(np.int32) <= blocks.reach[..., None]
        near &= tf.gather(blocks.sequences, places, axis=1) == sequence
        near = tf.cast(near & (sequence >= 0), tf.float32)
        nodes, path = tf.gather(self._nodes, own), tf.gather(self._on_path, own)
        x, y = inputs.find(around), outputs.find(nodes)
        scores = tf.matmul(x, y, transpose_b=True)  # [blocks, block, near, nodes]
        weights = near[..., None] * path[:, :, None]
        chance = tf.sigmoid(scores)
        slopes = weights * (tf.gather(self._left, own)[:, :, None] - chance)
        bends = weights * chance * (1.0 - chance)
        loss = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.broadcast_to(tf.gather(self._left, own)[:, :, None], tf.shape(scores)),
            scores,
        )
        return Update(
            (around, tf.matmul(slopes, y), tf.linalg.matvec(bends, _squares(y))),
            (
                nodes,
                tf.matmul(slopes, x, transpose_a=True),
                tf.linalg.matvec(bends, _squares(x), transpose_a=True),
            ),
            (tf.reduce_sum(weights * loss), tf.reduce_sum(near)),
        )

    def cbow(
        self, blocks: Blocks, inputs: Rows, outputs: Rows, window: int, negatives: int
    ) -> Update:
        """Each word is predicted by the mean of its neighbours."""
        near, size = neighbours(blocks, window), blocks.reach.shape[1]
        own = blocks.tokens[:, window : window + size]
        count = tf.reduce_sum(near, -1, keepdims=True)
        has = tf.minimum(count, 1.0)
        mean = tf.matmul(tf.math.divide_no_nan(near, count), inputs.find(blocks.tokens))
        nodes, left = tf.gather(self._nodes, own), tf.gather(self._left, own)
        y = outputs.find(nodes)  # [blocks, block, nodes, d]
        scores = tf.linalg.matvec(y, mean)
        weights = has * tf.gather(self._on_path, own)
        chance = tf.sigmoid(scores)
        slopes, bends = weights * (left - chance), weights * chance * (1.0 - chance)
        curvature = tf.reduce_sum(bends * _squares(y), -1)
        change = tf.linalg.matvec(y, slopes, transpose_a=True)
        loss = tf.nn.sigmoid_cross_entropy_with_logits(left, scores)
        return Update(
            (
                blocks.tokens,
                tf.matmul(near, change, transpose_a=True),
                tf.linalg.matvec(near, curvature, transpose_a=True),
            ),
            (
                nodes,
                slopes[..., None] * mean[:, :, None],
                bends * _squares(mean)[..., None],
            ),
            (tf.reduce_sum(weights * loss), tf.reduce_sum(has)),
        )


def _squares(vectors: tf.Tensor) -> tf.Tensor:
    """Squared lengths of vectors."""
    return tf.reduce_sum(vectors * vectors, -1)

"""A linear chain over the tags of words: what may follow what."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.kernels.lookup import rows_of

_NEVER = -1e9
# Behind rows [n, length, tags], so that there always is a second word to scan.
_TWO_MORE = [[0, 0], [0, 2], [0, 0]]


class CRF(keras.layers.Layer):
    """Linear-chain conditional random field (Lafferty et al., 2001).

    The score of a sequence of tags is the sum of those of its tags, its first tag, each
    tag after the one before it, and its last tag; its probability is the softmax over
    all sequences.

    Args:
        tags: how many there are.
        allowed: may a tag be first, [tags], follow another, [tags, tags] from row to
            column, and be last, [tags]; of sequences where one may not, decoding knows
            nothing (None: all may).

    >>> import numpy as np
    >>> crf = CRF(2)
    >>> emissions = tf.math.log([[[0.9, 0.1], [0.2, 0.8]]])
    >>> crf.decode(emissions, np.ones([1, 2])).numpy().tolist()
    [[0, 1]]
    >>> log_likelihood = crf.log_likelihood(emissions, [[0, 1]], np.ones([1, 2]))
    >>> round(float(tf.exp(log_likelihood[0])), 3)
    0.72
    """

    def __init__(
        self, tags: int, allowed: Sequence[np.ndarray] | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.tags = tags
        if allowed is None:
            allowed = np.ones(tags), np.ones([tags, tags]), np.ones(tags)
        self._penalties = [np.where(x, 0.0, _NEVER).astype(np.float32) for x in allowed]
        for name, shape in (
            ("first", (tags,)),
            ("transitions", (tags, tags)),
            ("last", (tags,)),
        ):
            weight = self.add_weight(
                name=name, shape=shape, initializer="zeros", autocast=False
            )
            setattr(self, name, weight)
        self.built = True

    def log_likelihood(self, emissions, tags, mask) -> tf.Tensor:
        """The logarithms of the probabilities of sequences, float32 [n].

        Args:
            emissions: float32 [n, length, tags].
            tags: int32 [n, length].
            mask: [n, length], 0 where there is no word: the chain goes on behind it.
        """
        tags, mask = tf.cast(tags, tf.int32), tf.cast(mask, tf.int32)
        counts = tf.reduce_sum(mask, axis=1)
        # Words first, and no more places than the longest row has words.
        order = tf.argsort(1 - mask, axis=1, stable=True)[:, : tf.reduce_max(counts)]
        emissions = tf.gather(tf.cast(emissions, tf.float32), order, batch_dims=1)
        emissions = tf.pad(emissions, _TWO_MORE)
        tags = tf.pad(tf.gather(tags, order, batch_dims=1), _TWO_MORE[:2])
        first, transitions, last = map(tf.convert_to_tensor, self._weights_in_order())
        real = tf.sequence_mask(counts, tf.shape(tags)[1], tf.float32)
        own = tf.gather(emissions, tags, batch_dims=2)
        pairs = tf.gather_nd(
            transitions, tf.stack([tags[:, :-1], tags[:, 1:]], axis=-1)
        )
        at_end = tf.maximum(counts - 1, 0)[:, None]
        score = (
            tf.reduce_sum(own * real, axis=1)
            + tf.reduce_sum(pairs * real[:, 1:], axis=1)
            + rows_of(first, tags[:, 0])
            + rows_of(last, tf.gather(tags, at_end, batch_dims=1)[:, 0])
        )
        alphas = _forward(emissions, first, transitions)
        ends = tf.gather(alphas, at_end, batch_dims=1)[:, 0]
        total = tf.reduce_logsumexp(ends + last, axis=1)
        return tf.where(counts > 0, score - total, 0.0)

    def decode(self, emissions, mask) -> tf.Tensor:
        """The most probable tags that are allowed (Viterbi, 1967), int32 [n, length].

        Args:
            emissions: float32 [n, length, tags].
            mask: [n, length], words first; tags where there are none mean nothing.
        """
        first, transitions, last = self._decoding_weights()
        count = tf.shape(emissions)[1]
        emissions = tf.transpose(tf.pad(emissions, _TWO_MORE), [1, 0, 2])
        mask = tf.pad(tf.cast(mask, tf.int32), _TWO_MORE[:2])
        mask = tf.transpose(mask)[:, :, None] > 0
        same = tf.range(self.tags)[None]

        def step(state, inputs):
            best, _ = state
            emission, real = inputs
            scores = best[:, :, None] + transitions
            new = tf.reduce_max(scores, axis=1) + emission
            back = tf.argmax(scores, axis=1, output_type=tf.int32)
            return tf.where(real, new, best), tf.where(real, back, same)

        begin = first + emissions[0]
        blank = tf.zeros_like(begin, tf.int32)
        best, back = tf.scan(step, (emissions[1:], mask[1:]), (begin, blank))
        best = tf.concat([begin[None], best], axis=0)[-1]
        end = tf.argmax(best + last, axis=1, output_type=tf.int32)
        before = tf.scan(
            lambda tag, back: tf.gather(back, tag, batch_dims=1),
            back,
            end,
            reverse=True,
        )
        return tf.transpose(before)[:, :count]

    def marginals(self, emissions, mask) -> tf.Tensor:
        """The probability of each tag over all sequences that are allowed.

        Args:
            emissions: float32 [n, length, tags].
            mask: [n, length], words first.

        Returns:
            float32 [n, length, tags]; where there is no word they mean nothing.
        """
        first, transitions, last = self._decoding_weights()
        counts = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        emissions = tf.pad(emissions, _TWO_MORE)
        ahead = _forward(emissions, first, transitions)
        turned = tf.reverse_sequence(emissions, counts, seq_axis=1)
        behind = _forward(turned, last, tf.transpose(transitions))
        behind = tf.reverse_sequence(behind, counts, seq_axis=1)
        return tf.nn.softmax(ahead + behind - emissions)[:, :-2]

    def _weights_in_order(self) -> tuple:
        return self.first, self.transitions, self.last

    def _decoding_weights(self) -> list[tf.Tensor]:
        pairs = zip(self._weights_in_order(), self._penalties, strict=True)
        return [tf.convert_to_tensor(weight) + penalty for weight, penalty in pairs]

    def compute_output_shape(self, input_shape):
        return input_shape


def _forward(emissions, first, transitions) -> tf.Tensor:
    """Logarithms of the sums over all beginnings that end in a tag, float32 [n, length,
    tags]."""
    emissions = tf.transpose(emissions, [1, 0, 2])
    begin = first + emissions[0]

    def step(alpha, emission):
        return tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1) + emission

    rest = tf.scan(step, emissions[1:], begin)
    return tf.transpose(tf.concat([begin[None], rest], axis=0), [1, 0, 2])

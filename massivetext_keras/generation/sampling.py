"""The choice of the next token from its logits: greedy or at random, within limits."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.layers.dropout import random_bits


class Sampling(NamedTuple):
    """How tokens are chosen; scalar tensors, so that no value needs a new graph.

    Attributes:
        temperature: float32, divides the logits; 0 takes the most probable token.
        top_k: int32, only the k most probable tokens (0: all). Fan et al., 2018.
        top_p: float32, only the most probable tokens that reach this share of the
            probability (1: all). Holtzman et al., 2020.
        min_p: float32, only tokens at least this share as probable as the best (0:
            all). Nguyen et al., 2024.
        repetition_penalty: float32, divides positive and multiplies negative logits of
            tokens that occurred (1: none). Keskar et al., 2019.
        seed: int32.
        min_new_tokens: int32, before these no token ends a text.
    """

    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    min_p: tf.Tensor
    repetition_penalty: tf.Tensor
    seed: tf.Tensor
    min_new_tokens: tf.Tensor | int = 0

    @classmethod
    def make(
        cls,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = 0,
        min_new_tokens: int = 0,
    ) -> Sampling:
        """From Python numbers; a seed of None is a new one each time.

        Raises:
            ValueError: a number is out of its range.
        """
        ranges = {
            "temperature": (temperature >= 0, "at least 0"),
            "top_k": (top_k >= 0, "at least 0 (0 keeps all tokens)"),
            "top_p": (0 < top_p <= 1, "in (0, 1]"),
            "min_p": (0 <= min_p <= 1, "in [0, 1]"),
            "repetition_penalty": (repetition_penalty > 0, "positive"),
            "min_new_tokens": (min_new_tokens >= 0, "at least 0"),
        }
        for name, (holds, wanted) in ranges.items():
            if not holds:
                raise ValueError(f"{name} must be {wanted}, got {locals()[name]}")
        floats = (temperature, top_p, min_p, repetition_penalty)
        temperature, top_p, min_p, penalty = (
            tf.constant(x, tf.float32) for x in floats
        )
        if seed is None:
            seed = int(tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32))
        seed = tf.constant(seed % 2**31, tf.int32)
        integers = (tf.constant(top_k), seed, tf.constant(min_new_tokens))
        return cls(temperature, integers[0], top_p, min_p, penalty, *integers[1:])


def choose(
    logits: tf.Tensor, sampling: Sampling, rows: tf.Tensor, step: tf.Tensor
) -> tf.Tensor:
    """The next token of every row.

    Args:
        logits: float32 [batch, vocabulary].
        sampling: the limits.
        rows: int32 [batch]; rows with the same number get the same random numbers.
        step: int32 scalar; each step gets new ones.

    Returns:
        int32 [batch].

    >>> import tensorflow as tf
    >>> greedy = Sampling.make(temperature=0.0)
    >>> choose(tf.constant([[0.0, 2.0, 1.0]]), greedy, tf.range(1), 0).numpy().tolist()
    [1]
    """

    def at_random():
        limited = tf.cond(
            (sampling.top_k > 0) | (sampling.top_p < 1.0) | (sampling.min_p > 0.0),
            lambda: limit(logits / sampling.temperature, sampling),
            lambda: logits / sampling.temperature,
        )
        noise = gumbel(tf.shape(logits), sampling.seed, rows, step)
        return tf.argmax(limited + noise, -1, output_type=tf.int32)

    return tf.cond(
        sampling.temperature > 0.0,
        at_random,
        lambda: tf.argmax(logits, -1, output_type=tf.int32),
    )


def penalize(logits: tf.Tensor, seen: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    """Makes tokens that occurred less likely (Keskar et al., 2019).

    Args:
        logits: float32 [batch, vocabulary].
        seen: bool [batch, vocabulary].
        penalty: float32 scalar, above 1 to discourage.
    """
    lowered = tf.where(logits > 0.0, logits / penalty, logits * penalty)
    return tf.where(seen, lowered, logits)


def limit(logits: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Logits with -inf outside top-k, then top-p of what is left, then min-p.

    Thresholds are found by bisection over the bits of the probabilities: exact, and
    without the sort of the vocabulary that is slow when compiled.
    """
    probabilities = tf.nn.softmax(logits)
    vocabulary = tf.shape(logits)[1]
    k = tf.where(sampling.top_k > 0, tf.minimum(sampling.top_k, vocabulary), vocabulary)
    ones = tf.ones_like(probabilities)
    probabilities = _most_probable(probabilities, ones, tf.cast(k, tf.float32))
    probabilities /= tf.reduce_sum(probabilities, -1, keepdims=True)
    share = tf.where(sampling.top_p < 1.0, sampling.top_p, 0.0)
    nucleus = _most_probable(probabilities, probabilities, share)
    probabilities = tf.where(sampling.top_p < 1.0, nucleus, probabilities)
    least = sampling.min_p * tf.reduce_max(probabilities, -1, keepdims=True)
    keep = (probabilities > 0.0) & (probabilities >= least)
    return tf.where(keep, logits, -float("inf"))


def _most_probable(
    probabilities: tf.Tensor, weights: tf.Tensor, enough: tf.Tensor
) -> tf.Tensor:
    """Zeroes all but the most probable tokens whose weights sum up to `enough`.

    The bits of positive floats are in the order of the floats, so that 31 halvings find
    the greatest threshold that still keeps enough.
    """
    bits = tf.bitcast(probabilities, tf.int32)
    low = tf.zeros_like(bits[:, :1])

    def halve(step, low):
        middle = low + tf.bitwise.left_shift(1, 30 - step)
        kept = tf.reduce_sum(tf.where(bits >= middle, weights, 0.0), -1, keepdims=True)
        return step + 1, tf.where(kept >= enough, middle, low)

    _, low = tf.while_loop(lambda step, _: step < 31, halve, (tf.constant(0), low))
    return tf.where(bits >= low, probabilities, 0.0)


def gumbel(shape, seed: tf.Tensor, rows: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Gumbel noise: the argmax of logits plus this is a sample of their softmax.

    Args:
        shape: (batch, vocabulary).
        seed, step: int32 scalars.
        rows: int32 [batch], which stream of numbers a row takes.
    """

    def mix(key, value):
        scattered = tf.cast(value, tf.uint32) * tf.constant(0x85EBCA6B, tf.uint32)
        return random_bits((), key + scattered)

    keys = mix(mix(mix(tf.constant(0x27220A95, tf.uint32), seed), step), rows)
    bits = random_bits((1, shape[1]), keys[:, None])
    bits = tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32))
    uniform = (tf.cast(bits, tf.float32) + 0.5) * 2.0**-24
    return -tf.math.log(-tf.math.log(uniform))

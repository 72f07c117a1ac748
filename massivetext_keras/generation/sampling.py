"""The choice of the next token from its logits: greedy or at random, within limits."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.generation.checks import checked
from massivetext_keras.kernels.random import random_bits
from massivetext_keras.support.arguments import (
    Amount,
    Count,
    PositiveAmount,
    PositiveShare,
    Share,
    ranges,
)

_COLDEST = 1e-20  # of temperatures above 0
_ROUNDING = 1e-6  # of sums of probabilities


class SamplingTensors(NamedTuple):
    """How tokens are chosen; scalar tensors, so that no value needs a new graph, or one
    value for each row of a batch.

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
    min_new_tokens: tf.Tensor = 0

    @classmethod
    def make(
        cls,
        temperature: Amount = 1.0,
        top_k: Count = 0,
        top_p: PositiveShare = 1.0,
        min_p: Share = 0.0,
        repetition_penalty: PositiveAmount = 1.0,
        seed: int | None = 0,
        min_new_tokens: Count = 0,
    ) -> SamplingTensors:
        """From Python numbers; a seed of None is a new one each time.

        Raises:
            ValueError: a number is out of its range.
        """
        check_numbers(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            min_new_tokens=min_new_tokens,
        )
        floats = (temperature, top_p, min_p, repetition_penalty)
        temperature, top_p, min_p, penalty = (
            tf.constant(x, tf.float32) for x in floats
        )
        if seed is None:
            seed = int(tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32))
        seed = tf.constant(seed % 2**31, tf.int32)
        top_k, least = (tf.constant(x, tf.int32) for x in (top_k, min_new_tokens))
        return cls(temperature, top_k, top_p, min_p, penalty, seed, least)

    @classmethod
    def spec(cls) -> SamplingTensors:
        """The signature of any numbers: scalars by name."""
        whole = {"top_k", "seed", "min_new_tokens"}
        kinds = {x: tf.int32 if x in whole else tf.float32 for x in cls._fields}
        return cls(*(tf.TensorSpec([], kind, x) for x, kind in kinds.items()))

    def checked(self) -> SamplingTensors:
        """The same inside a graph that gets what numbers it gets: one out of its range
        raises `InvalidArgumentError`, and a seed below 0 is as in `make`."""
        numbers = {
            name: checked(number, allowed.holds(number), wanted(name))
            for name, allowed in RANGES.items()
            for number in [getattr(self, name)]
        }
        seed = tf.bitwise.bitwise_and(self.seed, 2**31 - 1)
        return self._replace(**numbers, seed=seed)


# What the numbers may be, Python's and tensors alike; NaN is no number.
RANGES = ranges(SamplingTensors.make)


def wanted(name: str) -> str:
    """What a number must be, in words."""
    more = " (0 keeps all tokens)" if name == "top_k" else ""
    return f"{name} must be {RANGES[name]}{more}"


def check_numbers(**numbers: float) -> None:
    """Refuses numbers out of their ranges.

    Raises:
        ValueError: names it.
    """
    for name, number in numbers.items():
        if number not in RANGES[name]:
            raise ValueError(f"{wanted(name)}, got {number}")


def choose(
    logits: tf.Tensor, sampling: SamplingTensors, rows: tf.Tensor, step: tf.Tensor
) -> tf.Tensor:
    """The next token of every row.

    Args:
        logits: float32 [batch, vocabulary].
        sampling: the limits.
        rows: int32 [batch]; rows with the same number get the same random numbers.
        step: int32, scalar or [batch]; each step gets new ones.

    Returns:
        int32 [batch].

    >>> import tensorflow as tf
    >>> greedy = SamplingTensors.make(temperature=0.0)
    >>> choose(tf.constant([[0.0, 2.0, 1.0]]), greedy, tf.range(1), 0).numpy().tolist()
    [1]
    """

    def at_random():
        # The best is 0: no temperature, however small, makes others than -inf of it.
        best = tf.reduce_max(logits, -1, keepdims=True)
        cooled = (logits - best) / tf.maximum(_column(sampling.temperature), _COLDEST)
        limits = (sampling.top_k > 0) | (sampling.top_p < 1.0) | (sampling.min_p > 0.0)
        limited = tf.cond(
            tf.reduce_any(limits & is_random),
            lambda: limit(cooled, sampling),
            lambda: cooled,
        )
        noise = gumbel(tf.shape(logits), sampling.seed, rows, step)
        sampled = tf.argmax(limited + noise, -1, output_type=tf.int32)
        return tf.where(is_random, sampled, greedy)

    greedy = tf.argmax(logits, -1, output_type=tf.int32)
    is_random = sampling.temperature > 0.0
    return tf.cond(tf.reduce_any(is_random), at_random, lambda: greedy)


def penalize(logits: tf.Tensor, seen: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    """Makes tokens that occurred less likely (Keskar et al., 2019).

    Args:
        logits: float32 [batch, vocabulary].
        seen: bool [batch, vocabulary].
        penalty: float32, scalar or [batch], above 1 to discourage.
    """
    penalty = _column(penalty)
    lowered = tf.where(logits > 0.0, logits / penalty, logits * penalty)
    return tf.where(seen, lowered, logits)


def limit(logits: tf.Tensor, sampling: SamplingTensors) -> tf.Tensor:
    """Logits with -inf outside top-k, then top-p of what is left, then min-p.

    As in transformers, all tokens that are as probable as the k-th stay, but of equal
    tokens at the border of top-p the last ones, as many as it needs.

    Thresholds are found by bisection over the bits of numbers: exact, and without the
    sort of the vocabulary that is slow when compiled.

    >>> tied = limit(tf.zeros([1, 8]), SamplingTensors.make(top_p=0.5))
    >>> tied.numpy().tolist()
    [[-inf, -inf, -inf, -inf, 0.0, 0.0, 0.0, 0.0]]
    """
    vocabulary = tf.shape(logits)[1]
    top_k, top_p, min_p = map(_column, (sampling.top_k, sampling.top_p, sampling.min_p))
    # How far a token is from the best: floats of 0 and more are ordered as their bits.
    far = tf.bitcast(tf.reduce_max(logits, -1, keepdims=True) - logits, tf.int32)
    k = tf.where(top_k > 0, tf.minimum(top_k, vocabulary), vocabulary)
    ones = tf.ones_like(logits)
    kept = far <= _least(far, ones, tf.cast(k, tf.float32))
    probabilities = tf.nn.softmax(tf.where(kept, logits, -float("inf")))
    nucleus = _nucleus(far, probabilities, top_p)
    kept &= nucleus | (top_p >= 1.0)
    least = min_p * tf.reduce_max(probabilities, -1, keepdims=True)
    kept &= (probabilities > 0.0) & (probabilities >= least)
    return tf.where(kept, logits, -float("inf"))


def _column(values: tf.Tensor) -> tf.Tensor:
    """One value for all rows, or [batch] as [batch, 1]."""
    return values[:, None] if values.shape.rank else values


def _nucleus(far: tf.Tensor, probabilities: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """The fewest tokens whose probabilities reach a share, but for rounding; bool."""
    enough = top_p - _ROUNDING
    border = _least(far, probabilities, enough)
    inside, tied = far < border, far == border
    share = tf.reduce_sum(tf.where(inside, probabilities, 0.0), -1, keepdims=True)
    each = tf.reduce_max(tf.where(tied, probabilities, 0.0), -1, keepdims=True)
    needed = tf.maximum(tf.math.ceil((enough - share) / each), 1.0)
    from_end = tf.range(tf.shape(far)[1], 0, -1)[None] + tf.zeros_like(far)
    last = _least(from_end, tf.cast(tied, tf.float32), needed)
    return inside | (tied & (from_end <= last))


def _least(numbers: tf.Tensor, weights: tf.Tensor, enough: tf.Tensor) -> tf.Tensor:
    """The least number up to which weights sum up to `enough`, in 31 halvings.

    Args:
        numbers: int32 [rows, n], at least 0.
        weights: float32 [rows, n], at least 0.
        enough: float32, scalar or [rows, 1].

    Returns:
        int32 [rows, 1]; 2**31 - 1 where they never do.
    """

    def halve(step, low):
        # All that is below `middle` and has not enough is too low.
        middle = low + (tf.bitwise.left_shift(1, 30 - step) - 1)
        sums = tf.reduce_sum(
            tf.where(numbers <= middle, weights, 0.0), -1, keepdims=True
        )
        return step + 1, tf.where(sums >= enough, low, middle + 1)

    low = tf.zeros_like(numbers[:, :1])
    return tf.while_loop(lambda step, _: step < 31, halve, (tf.constant(0), low))[1]


def gumbel(shape, seed: tf.Tensor, rows: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Gumbel noise: the argmax of logits plus this is a sample of their softmax.

    Args:
        shape: (batch, vocabulary).
        seed, step: int32, scalars or [batch].
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

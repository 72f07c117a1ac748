"""Which numbers of a matrix are kept: so many of all, or so many of each group."""

from __future__ import annotations

import re
from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.tasks.base import Task

# Matrices of blocks: embeddings, heads and what chooses experts stay whole.
KERNELS = r"\bblock_\d+/.*\bkernel$"
_HALVINGS = 40  # more than float32 tells apart


class Sparsity(NamedTuple):
    """What is zero in a matrix.

    Attributes:
        share: of its numbers, from 0 to below 1.
        group: numbers, one below the other in a column, of each of which that share is
            zero (0: of the whole matrix).

    >>> Sparsity.of("2:4"), Sparsity.of(0.9)
    (Sparsity(share=0.5, group=4), Sparsity(share=0.9, group=0))
    """

    share: float
    group: int = 0

    @classmethod
    def of(cls, amount: float | str) -> Sparsity:
        """From a share, or from "n:m": n of m numbers are kept (Mishra et al., 2021).

        Raises:
            ValueError: it is neither.
        """
        pair = re.fullmatch(r"(\d+):(\d+)", str(amount))
        try:
            kept, group = map(int, pair.groups()) if pair else (0, 0)
            found = cls(1.0 - kept / group if pair else float(amount), group)
        except (ValueError, ZeroDivisionError):
            found = cls(-1.0)
        if not 0.0 <= found.share < 1.0:
            raise ValueError(
                f'sparsity must be a share from 0 to below 1, or such as "2:4" (two of '
                f"four are kept), got {amount!r}"
            )
        return found

    def mask(self, importance: tf.Tensor, part: tf.Tensor | float = 1.0) -> tf.Tensor:
        """What is kept: the most important numbers, of equal ones perhaps some more.

        Args:
            importance: float32 [..., inputs, outputs]; a rest of `inputs` that makes no
                group is kept.
            part: of the share that is zero, from 0 to 1; of groups whole numbers are.

        >>> x = tf.constant([[1.0], [-4.0], [3.0], [2.0]])
        >>> Sparsity(0.5).mask(tf.abs(x)).numpy().ravel().tolist()
        [False, True, True, False]
        """
        share = self.share * tf.cast(part, tf.float32)
        if not self.group:
            return importance > _threshold(importance, share)
        rows = importance.shape[-2] // self.group * self.group
        grouped, rest = tf.split(importance, [rows, -1], axis=-2)
        shape = [*grouped.shape[:-2], -1, self.group, grouped.shape[-1]]
        x = tf.reshape(grouped, shape)
        before = tf.range(self.group)[:, None] > tf.range(self.group)
        above = x[..., None, :, :] > x[..., :, None, :]
        equal = x[..., None, :, :] == x[..., :, None, :]
        rank = tf.cast(above | (equal & before[..., None]), tf.int32)
        zeros = tf.cast(tf.floor(share * self.group + 1e-3), tf.int32)
        kept = tf.reduce_sum(rank, axis=-2) < self.group - zeros
        kept = tf.reshape(kept, tf.shape(grouped))
        return tf.concat([kept, tf.ones_like(rest, tf.bool)], axis=-2)


def _threshold(x: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """A number that at most so many of `x` do not exceed, found by halving: sorting a
    matrix takes longer than the update that it is for."""
    size = tf.size(x)
    wanted = tf.cast(tf.round(share * tf.cast(size, tf.float32)), tf.int32)
    wanted = tf.minimum(wanted, size - 1)  # something is kept
    low, high = tf.reduce_min(x), tf.reduce_max(x)
    low -= (high - low) / 2.0 + 1e-6 * tf.abs(low) + 2e-38  # below all

    def halve(i, low, high):
        middle = low + (high - low) / 2.0
        fits = tf.math.count_nonzero(x <= middle, dtype=tf.int32) <= wanted
        return i + 1, tf.where(fits, middle, low), tf.where(fits, high, middle)

    begin = tf.constant(0), low, high
    return tf.while_loop(lambda i, *_: i < _HALVINGS, halve, begin)[1]


def kernels_of(task: Task, weights: str = KERNELS) -> dict[str, keras.Variable]:
    """The matrices of a task that may have zeros, by name.

    Args:
        task: in float32, on one device.
        weights: regular expression, searched for in their names.

    Raises:
        ValueError: there is none, the task is stored in fewer bits or on several
            devices.
    """
    if task.quantization.storages():
        raise ValueError("the task is stored in fewer bits: dequantize() it first")
    if task.mesh is not None or task.distribute_strategy.num_replicas_in_sync > 1:
        raise ValueError("a task on several devices cannot be pruned: use one")
    named = task.named_weights()
    found = {
        k: w for k, w in named.items() if len(w.shape) > 1 and re.search(weights, k)
    }
    if not found:
        raise ValueError(
            f"weights={weights!r} is found in no matrix; one is {next(iter(named))}"
        )
    return found


def prune(
    task: Task, sparsity: float | str = 0.5, weights: str = KERNELS
) -> dict[str, float]:
    """Makes the smallest numbers of each matrix zero, at once.

    Args:
        task: is changed.
        sparsity: share of zeros, or "2:4".
        weights: regular expression, searched for in the names of matrices.

    Returns:
        The share of zeros by matrix.

    Raises:
        ValueError: the sparsity is out of its range, or see `kernels_of`.
    """
    wanted = Sparsity.of(sparsity)
    for kernel in kernels_of(task, weights).values():
        value = tf.convert_to_tensor(kernel.value)
        kept = wanted.mask(tf.abs(tf.cast(value, tf.float32)))
        kernel.assign(tf.where(kept, value, 0))
    return zeros_in(task, weights)


def zeros_in(task: Task, weights: str = KERNELS) -> dict[str, float]:
    """The share of zeros by matrix, see `kernels_of`."""
    return {
        name: float(tf.reduce_mean(tf.cast(kernel.value == 0, tf.float32)))
        for name, kernel in kernels_of(task, weights).items()
    }

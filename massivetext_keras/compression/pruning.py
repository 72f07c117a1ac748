"""Numbers of matrices become zero little by little, while a task is trained."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from massivetext_keras.compression.sparsity import KERNELS, Sparsity, kernels_of
from massivetext_keras.support.values import check_least, choose
from massivetext_keras.tasks.base import Task

_METHODS = ("magnitude", "movement")


class _Pruned(NamedTuple):
    """What there is to know of a matrix: weights of the task while it is pruned.

    Attributes:
        kernel: the matrix itself, zero where it is not kept.
        whole: with what stood there when it was last kept.
        kept: bool.
        scores: of "movement", else None.
    """

    kernel: keras.Variable
    whole: keras.Variable
    kept: keras.Variable
    scores: keras.Variable | None


class Pruner:
    """Within the block, whatever trains the task, `fit` or `training.fine_tune`, also
    prunes it.

    The share of zeros grows as a cubic function of the updates (Zhu & Gupta, 2017),
    fast at first; then what is left goes on to be trained. A number that is zero comes
    back with the value that it had, should it become important. What is kept of a
    matrix is what is important

    - by "magnitude": its largest numbers;
    - by "movement" (Sanh et al., 2020): those that training moves away from zero. Each
      update adds -w dL/dw to the score of w, where the gradient is that of the matrix
      with its zeros.

    What it remembers are weights of the task, so a checkpoint has it: a run that is
    resumed within the block goes on bit for bit.

    Args:
        task: to be pruned, on one device.
        sparsity: share of zeros of each matrix in the end, or "2:4": two of four
            numbers are kept, one below the other in a column, in steps.
        updates: within which it is reached, from `begin` on.
        method: "magnitude" or "movement".
        begin: updates before the first zero; "movement" wants some.
        every: updates between two choices of what is kept.
        weights: regular expression, searched for in the names of matrices.

    Raises:
        ValueError: an argument is out of its range, or see `sparsity.kernels_of`.

    >>> import massivetext_keras as mtk
    >>> task = mtk.tasks.TextClassifier.from_preset(
    ...     "bert_tiny", mtk.tokenizers.ByteTokenizer(), labels=["bad", "good"]
    ... )
    >>> task.compile(mtk.training.adamw(1e-3))
    >>> with Pruner(task, "2:4", updates=4, every=1):
    ...     _ = task.fit(["fine", "awful"], ["good", "bad"], epochs=5, verbose=0)
    >>> set(mtk.compression.zeros_in(task).values())
    {0.5}
    """

    def __init__(
        self,
        task: Task,
        sparsity: float | str = 0.5,
        updates: int = 1000,
        method: str = "magnitude",
        begin: int = 0,
        every: int = 16,
        weights: str = KERNELS,
    ):
        choose("method", method, dict.fromkeys(_METHODS))
        check_least(1, updates=updates, every=every)
        check_least(0, begin=begin)
        self.task, self.sparsity = task, Sparsity.of(sparsity)
        self.begin, self.end, self.every = begin, begin + updates, every
        self.pruned = {
            name: self._pruned(kernel, f"pruned_{i}", method == "movement")
            for i, (name, kernel) in enumerate(kernels_of(task, weights).items())
        }

    @staticmethod
    def _pruned(kernel: keras.Variable, name: str, scored: bool) -> _Pruned:
        def beside(what: str, first: str, dtype: str | None = None) -> keras.Variable:
            how = {"dtype": dtype or kernel.dtype, "trainable": False}
            return keras.Variable(first, kernel.shape, name=f"{name}_{what}", **how)

        whole, kept = beside("whole", "zeros"), beside("kept", "ones", "bool")
        whole.assign(kernel.value)
        scores = beside("scores", "zeros", "float32") if scored else None
        return _Pruned(kernel, whole, kept, scores)

    def __enter__(self) -> Pruner:
        if self.task.pruning is not None:
            raise ValueError("the task is being pruned already")
        for variable in self._variables():
            setattr(self.task, variable.name, variable)
        self.task.pruning = self.after_update
        self.task.train_function = None
        return self

    def __exit__(self, *_: object) -> None:
        self.task.pruning = self.task.train_function = None
        for variable in self._variables():
            delattr(self.task, variable.name)

    def _variables(self) -> list[keras.Variable]:
        """What is kept beside the matrices."""
        return [x for one in self.pruned.values() for x in one[1:] if x is not None]

    def after_update(
        self,
        gradients: list[tf.Tensor],
        variables: list[keras.Variable],
        finite: tf.Tensor,
    ) -> None:
        """Makes zeros, in the graph of a training step.

        Args:
            gradients: of the scaled loss, over the global batch.
            variables: those of the gradients, which are updated already.
            finite: bool scalar, whether they were.
        """
        by_variable = {
            id(v): g for v, g in zip(variables, gradients, strict=True) if g is not None
        }
        updater = self.task.updater
        scale = 1.0 if updater.dynamic_scale is None else updater.dynamic_scale.value
        step = tf.cast(updater.iterations.value, tf.int32)
        chooses = (step >= self.begin) & (step <= self.end)
        chooses &= ((step - self.begin) % self.every == 0) | (step == self.end)
        part = self.part(step)
        for one in self.pruned.values():
            before = tf.convert_to_tensor(one.kept.value)
            whole = tf.where(before, one.kernel.value, one.whole.value)
            if one.scores is not None and id(one.kernel) in by_variable:
                moved = -whole * by_variable[id(one.kernel)] / scale
                one.scores.assign_add(tf.where(finite, moved, 0))
            found = tf.abs(whole) if one.scores is None else one.scores.value
            kept = tf.cond(
                chooses,
                lambda found=found: self.sparsity.mask(found, part),
                lambda before=before: before,
            )
            one.whole.assign(whole)
            one.kept.assign(kept)
            one.kernel.assign(tf.where(kept, whole, 0))

    def part(self, step: tf.Tensor | int) -> tf.Tensor:
        """How much of the sparsity is reached, float32 from 0 to 1.

        Args:
            step: int32 scalar, updates so far.
        """
        done = tf.cast(step - self.begin, tf.float32) / (self.end - self.begin)
        return 1.0 - (1.0 - tf.clip_by_value(done, 0.0, 1.0)) ** 3

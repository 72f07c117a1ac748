"""How large a model's weights are, and how far an update moves them."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.optimization.keras_seams import held_by

# Of a larger weight every n-th number is compared before and after an update.
_MOST_COMPARED = 1 << 16


def probe_of(model: keras.Model) -> WeightProbe | MeshProbe:
    """What looks at the weights of a model where they are."""
    mesh = getattr(model, "mesh", None)
    return WeightProbe(model) if mesh is None else MeshProbe(model, mesh)


class WeightProbe:
    """The norm of a model's trained weights, and how far an update moves them.

    The norm is exact. The movement is that of at most 65,536 numbers of every weight,
    evenly chosen, so that they can be kept during a step.
    """

    def __init__(self, model: keras.Model):
        self.variables = [v.value for v in model.trainable_variables]
        self.strides = [_stride(v.shape.num_elements()) for v in self.variables]
        plain = functools.partial(tf.function, autograph=False)
        self.norm = plain(lambda: tf.linalg.global_norm(self.variables))
        self._some = plain(self._chosen)
        self._moved = plain(self._movement)
        self._before = None

    def note(self) -> None:
        """Remembers the weights as they are before an update."""
        self._before = self._some()

    def ratio(self) -> float | None:
        """|change| / |weights| since `note`; None if it was not called."""
        if self._before is None:
            return None
        ratio = float(self._moved(self._before))
        self._before = None
        return ratio

    def _chosen(self) -> list[tf.Tensor]:
        return [
            tf.reshape(v, [-1])[::stride]
            for v, stride in zip(self.variables, self.strides, strict=True)
        ]

    def _movement(self, before: list[tf.Tensor]) -> tf.Tensor:
        squares = [
            stride * tf.stack([tf.reduce_sum((a - b) ** 2), tf.reduce_sum(b**2)])
            for a, b, stride in zip(self._chosen(), before, self.strides, strict=True)
        ]
        change, size = tf.unstack(tf.sqrt(tf.add_n(squares)))
        return tf.math.divide_no_nan(change, size)


class MeshProbe:
    """A `WeightProbe` of weights in parts on the devices of a mesh: each process looks
    at its own, and they add up. Nothing is gathered; all workers have to call each.
    """

    def __init__(self, model: keras.Model, mesh: Mesh):
        self.mesh = mesh
        self.variables = [held_by(v) for v in model.trainable_variables]
        self._before: list[tuple[Any, float]] | None = None

    def norm(self) -> float:
        """Of all weights together."""
        return math.sqrt(
            self._total(
                tf.reduce_sum(tf.square(part)) / variable.copies
                for variable in self.variables
                for part in variable.local_parts()
            )
        )

    def note(self) -> None:
        """Remembers the weights as they are before an update."""
        self._before = self._some()

    def ratio(self) -> float | None:
        """|change| / |weights| since `note`; None if it was not called."""
        if self._before is None:
            return None
        pairs = list(zip(self._some(), self._before, strict=True))
        self._before = None
        change = self._total(
            s * tf.reduce_sum((a - b) ** 2) for (a, s), (b, _) in pairs
        )
        size = self._total(s * tf.reduce_sum(b**2) for _, (b, s) in pairs)
        return math.sqrt(change / size) if size else 0.0

    def _some(self) -> list[tuple[tf.Tensor, float]]:
        """Numbers of each part, and for how many of the weight each stands."""
        chosen = []
        for variable in self.variables:
            for part in variable.local_parts():
                stride = _stride(part.shape.num_elements())
                some = tf.reshape(part, [-1])[::stride]
                chosen.append((some, stride / variable.copies))
        return chosen

    def _total(self, terms) -> float:
        """Of numbers of all processes."""
        return self.mesh.sum_over_workers(sum(float(term) for term in terms))


def _stride(size: int) -> int:
    """Odd, so as not to meet the same columns of a matrix again and again."""
    stride = max(1, size // _MOST_COMPARED)
    return stride if stride == 1 else stride | 1

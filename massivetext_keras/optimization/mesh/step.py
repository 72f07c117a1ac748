"""One training step on a mesh: what its devices compute, and what the host keeps.

The devices hold weights, what the optimizer keeps of each, and a batch's activations.
The host cuts batches, counts updates, settles the rate and tracks losses, as on one
device.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.distribution.sharded import (
    Placement,
    gathered_weights,
    on_host,
    on_mesh,
    put,
)
from massivetext_keras.kernels.random import hashed
from massivetext_keras.optimization.batches import cut, padding, unpacked


class MeshStep:
    """The steps of a task whose weights are on a mesh.

    Args:
        task: a compiled `TrainingStep`.
        mesh: of its weights.
    """

    def __init__(self, task: Any, mesh: Mesh):
        self.task, self.mesh = task, mesh
        self._read = _graph(self._read_batch)
        self._settle = _graph(lambda *x: task.updater.settle(*x))
        self._finish = _graph(self._finish_update)
        self._track = _graph(self._track_losses)
        self._gradients = self._on_devices(self._add_gradients)
        self._squares = self._on_devices(_sum_of_squares)
        self._update = self._on_devices(self._update_variables)
        self._losses = self._on_devices(self._test_losses)

    def train(self, data) -> dict[str, tf.Tensor]:
        """One update, and its logs."""
        task = self.task
        batch, counts, key = self._read(data)
        part, keys = cut(batch, task.micro_batches), _keys(key, task.micro_batches)
        sums = None
        for i, own_key in enumerate(keys):
            rows = self._rows_on_devices(part(i))
            scalars = map(self._everywhere, (*counts, own_key))
            *own_counts, own_key = scalars
            sums = self._gradients(rows, own_counts, own_key, sums)
        summed, parts, gradients = sums
        summed, parts = tf.nest.map_structure(on_host, (summed, parts))
        squares = on_host(self._squares(gradients))
        told, norm = self._settle(squares, summed)
        self._update(gradients, [self._everywhere(x) for x in told])
        return self._finish(summed, parts, batch, told[2], norm)

    def test(self, data) -> dict[str, tf.Tensor]:
        """Losses of a batch, tracked, and the logs."""
        batch, counts, _ = self._read(data, training=False)
        rows = self._rows_on_devices(batch)
        losses = self._losses(rows, [self._everywhere(x) for x in counts])
        return self._track(*tf.nest.map_structure(on_host, losses), batch)

    def function(self, step: Callable, at_once: int) -> Callable:
        """What `fit` or `evaluate` calls with an iterator of batches."""

        def several(iterator):
            for data in itertools.islice(iterator, at_once):
                logs = step(data)
            return logs

        return several

    def _read_batch(self, data, training: bool = True):
        """On the host: a batch as the task takes it, its counts and its key."""
        task = self.task
        batch = unpacked(data, task.as_labels, task.weighs_rows)
        if not training:
            return batch, task.loss_counts(*batch), tf.zeros([], tf.uint32)
        task.track_padding(*padding(*batch[:2]))
        return batch, task.loss_counts(*batch), task.key_of_batch()

    def _rows_on_devices(self, batch):
        """Rows of the host, each replica's on its devices; rows that no loss counts
        fill up the last share."""
        *inputs, weights = batch
        rows = weights.shape[0]
        missing = -rows % self.mesh.data

        def filled(x, last):
            x = x.numpy()
            return (
                x
                if not missing
                else np.concatenate([x, np.repeat(last(x), missing, 0)])
            )

        def placed(x):
            axes = ("data", *(None,) * (x.ndim - 1))
            return put(x, self.mesh.stages[0], Placement(axes))

        inputs = tf.nest.map_structure(lambda x: filled(x, lambda x: x[-1:]), inputs)
        weights = filled(weights, lambda x: np.zeros_like(x[-1:]))
        return tf.nest.map_structure(placed, (*inputs, weights))

    def _everywhere(self, scalar: tf.Tensor) -> tf.Tensor:
        return put(scalar, self.mesh.stages[0], Placement(()))

    def _on_devices(self, function: Callable) -> Callable:
        """A graph of a function, traced and run on the devices."""
        graph = tf.function(function, autograph=False)

        def call(*arguments):
            with on_mesh(self.mesh.stages[0]):
                return graph(*arguments)

        return call

    def _add_gradients(self, batch, counts, key, sums):
        with gathered_weights():
            more = self.task.gradients_of(batch, counts, key)
        return more if sums is None else tf.nest.map_structure(tf.add, sums, more)

    def _update_variables(self, gradients, told):
        rate, factor, finite, *counts = told
        updater, variables = self.task.updater, self.task.trainable_variables
        for variable, gradient in zip(variables, gradients, strict=True):
            updater.update_alone(variable, gradient, rate, factor, finite, counts)

    def _test_losses(self, batch, counts):
        with gathered_weights():
            return self.task.test_losses(batch, counts)

    def _finish_update(self, summed, parts, batch, finite, norm):
        task = self.task
        task.updater.count(finite)
        return task.logs_of_update(summed, parts, batch, finite, norm)

    def _track_losses(self, summed, parts, batch):
        self.task.track(summed, parts, batch)
        return self.task.get_metrics_result()


def _graph(function: Callable) -> Callable:
    return tf.function(function, autograph=False, reduce_retracing=True)


def _keys(key: tf.Tensor, micro_batches: int) -> list[tf.Tensor]:
    if micro_batches == 1:
        return [key]
    return [hashed(key, i) for i in range(micro_batches)]


def _sum_of_squares(gradients: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n(
        [tf.reduce_sum(tf.square(tf.cast(g, tf.float32))) for g in gradients]
    )

"""One training step on a mesh: what its devices compute, and what the host keeps.

The devices hold weights, what the optimizer keeps of each, and a batch's activations.
The host cuts batches, counts updates, settles the rate and tracks losses, as on one
device.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.distribution.pipeline import (
    borrowed_paths,
    one_forward_one_back,
    stage_blocks,
)
from massivetext_keras.distribution.sharded import on_host
from massivetext_keras.distribution.workers import has_workers, losing_no_worker
from massivetext_keras.kernels.random import hashed
from massivetext_keras.optimization.batches import cut, padding, unpacked
from massivetext_keras.optimization.gradients.private import clipping_factor
from massivetext_keras.optimization.mesh.stage import Stage


class MeshStep:
    """The steps of a task whose weights are on a mesh.

    Args:
        task: a compiled `TrainingStep`.
        mesh: of its weights.
    """

    def __init__(self, task: Any, mesh: Mesh):
        self.task, self.has_workers = task, has_workers(mesh)
        self.stages = stages_of(task, mesh)
        self._read = _graph(self._read_batch)
        self._count = _graph(lambda row: task.loss_counts(*row))
        self._settle = _graph(lambda *x: task.updater.settle(*x))
        self._finish = _graph(self._finish_update)
        self._track = _graph(self._track_losses)

    def train(self, data) -> dict[str, tf.Tensor]:
        """One update, and its logs."""
        self._renew_copies()
        batch, counts, key = self._read(data)
        if self.task.privacy is None:
            count = self.task.micro_batches
            parts, keys = map(cut(batch, count), range(count)), _keys(key, count)
            (summed, parts), gradients = self._gradients([*parts], counts, keys)
        else:
            (summed, parts), gradients = self._private_gradients(batch, counts, key)
        told, norm = self._settle(self._squares(gradients), summed)
        for stage, own in zip(self.stages, gradients, strict=True):
            stage.update(own, stage.scalars(*told))
        return self._finish(summed, parts, batch, told[2], norm)

    def test(self, data) -> dict[str, tf.Tensor]:
        """Losses of a batch, tracked, and the logs."""
        self._renew_copies()
        batch, counts, _ = self._read(data, training=False)
        given = None
        for stage in self.stages:
            entered = None if given is None else stage.take(given)
            rows, own_counts = stage.rows(batch), stage.scalars(*counts)
            given = stage.losses(rows, own_counts, entered)
        return self._track(*tf.nest.map_structure(on_host, given), batch)

    def function(self, step: Callable, at_once: int) -> Callable:
        """What `fit` or `evaluate` calls with an iterator of batches."""

        def several(iterator):
            with losing_no_worker(self.has_workers):
                for data in itertools.islice(iterator, at_once):
                    logs = step(data)
            return logs

        return several

    def _renew_copies(self) -> None:
        """Before a step: whoever changed what stages borrow, they read what it is."""
        for stage in self.stages:
            stage.renew_copies()

    def _private_gradients(self, batch, counts, key) -> tuple[Any, list]:
        """As `_gradients` of a batch: the mean of clipped gradients of its rows, which
        go through all stages one at a time, and noise."""
        task, rows = self.task, batch[-1].shape[0]
        expected = tf.constant(float(task.privacy.expected_rows or rows))
        noise_key = task.key_of_noise()
        sums = [stage.placed_noise(noise_key, expected) for stage in self.stages]
        losses = [tf.constant(0.0), task.no_parts()]
        for i in range(rows):
            row = tf.nest.map_structure(lambda x, i=i: x[i : i + 1], batch)
            own = self._count(row)
            more, gradients = self._gradients([row], counts, [hashed(key, i)], own)
            losses = tf.nest.map_structure(tf.add, losses, more)
            norm = tf.sqrt(self._squares(gradients))
            factor = clipping_factor(task.privacy, norm)
            if factor > 0.0:  # a gradient that is not a number is left out
                sums = [
                    stage.add_scaled(of_stage, own, factor / expected)
                    for stage, of_stage, own in zip(
                        self.stages, sums, gradients, strict=True
                    )
                ]
        return losses, sums

    def _squares(self, gradients: list[list]) -> tf.Tensor:
        """The squared norm of gradients of all stages."""
        pairs = zip(self.stages, gradients, strict=True)
        squares = [on_host(stage.squares(own)) for stage, own in pairs]
        return tf.reduce_sum(tf.concat(squares, 0))

    def _gradients(self, parts, counts, keys, own=None) -> tuple[Any, list]:
        """Losses of a batch and their parts, as of `scaled_loss`; for each stage the
        gradients of its variables.

        Args:
            parts: micro-batches.
            counts: `loss_counts` of the global batch.
            keys: of dropout, for each part.
            own: see `scaled_loss`.
        """
        stages, count = self.stages, len(parts)
        own_counts = [stage.scalars(*counts) for stage in stages]
        owns = [own and stage.scalars(*own) for stage in stages]
        entered: dict[tuple[int, int], Any] = {}
        upstream: dict[tuple[int, int], Any] = {}
        sums: list[Any] = [None] * len(stages)
        inputs = {}
        for place, i, forward in one_forward_one_back(len(stages), count):
            stage = stages[place]
            if forward:
                rows, (own_key,) = stage.rows(parts[i]), stage.scalars(keys[i])
                inputs[place, i] = rows, own_counts[place], owns[place], own_key
                came = entered.get((place, i))
                if not stage.is_last:
                    leaves = stage.forward(rows, own_key, came)
                    entered[place + 1, i] = stages[place + 1].take(leaves)
                continue
            given = (*inputs.pop((place, i)), entered.pop((place, i), None))
            above = upstream.pop((place, i), None)
            sums[place], back = stage.gradients(*given, above, sums[place])
            if place:
                upstream[place - 1, i] = stages[place - 1].take(back)
        losses = tf.nest.map_structure(on_host, sums[-1][0])
        return losses, self._returned([own for _, own in sums])

    def _returned(self, gradients: list[list]) -> list[list]:
        """Adds gradients of what is borrowed to those of whom it belongs to."""
        for stage, own in zip(self.stages, gradients, strict=True):
            count = len(stage.variables)
            returned, own[count:] = own[count:], []
            for variable, gradient in zip(stage.returned, returned, strict=True):
                [owner] = [i for i, x in enumerate(self.stages) if x.trains(variable)]
                home = self.stages[owner]
                gradients[owner] = home.added(gradients[owner], variable, gradient)
        return gradients

    def _read_batch(self, data, training: bool = True):
        """On the host: a batch as the task takes it, its counts and its key."""
        task = self.task
        batch = unpacked(data, task.as_labels, task.weighs_rows)
        if not training:
            return batch, task.loss_counts(*batch), tf.zeros([], tf.uint32)
        task.track_padding(*padding(*batch[:2]))
        return batch, task.loss_counts(*batch), task.key_of_batch()

    def _finish_update(self, summed, parts, batch, finite, norm):
        self.task.updater.count(finite)
        return self.task.logs_of_update(summed, parts, batch, finite, norm)

    def _track_losses(self, summed, parts, batch):
        self.task.track(summed, parts, batch)
        return self.task.get_metrics_result()


def stages_of(task: Any, mesh: Mesh) -> list[Stage]:
    """The stages of a task on a mesh, with what the later ones borrow: the token
    embedding where it is the output layer too, and a table of relative positions."""
    count = mesh.pipeline
    blocks = stage_blocks(task.config, count)
    if count == 1:
        return [Stage(task, mesh.stages[0], blocks[0], is_last=True)]
    return [
        Stage(task, own, blocks[i], i == count - 1, _borrowed(task, i, count))
        for i, own in enumerate(mesh.stages)
    ]


def _borrowed(task: Any, stage: int, stages: int) -> list[keras.Variable]:
    """Variables that a stage reads and does not own."""
    own = {v.path.partition("/")[2]: v for v in task.backbone.variables}
    return [own[path] for path in borrowed_paths(task.config, stage, stages)]


def _graph(function: Callable) -> Callable:
    return tf.function(function, autograph=False, reduce_retracing=True)


def _keys(key: tf.Tensor, micro_batches: int) -> list[tf.Tensor]:
    if micro_batches == 1:
        return [key]
    return [hashed(key, i) for i in range(micro_batches)]

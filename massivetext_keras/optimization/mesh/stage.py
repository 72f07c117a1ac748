"""What the devices of one stage compute of a training step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.experimental import dtensor

from massivetext_keras.distribution.placement import Placement
from massivetext_keras.distribution.sharded import (
    gathered_weights,
    on_mesh,
    put,
)
from massivetext_keras.kernels.random import keys_from
from massivetext_keras.kernels.split import hidden_layout
from massivetext_keras.models.part import Part, run_part
from massivetext_keras.optimization.gradients.private import noise
from massivetext_keras.optimization.keras_seams import held_by, holding
from massivetext_keras.optimization.update import dense_gradients


class Stage:
    """Blocks of a task, on the devices that have their weights.

    Args:
        task: a compiled `TrainingStep`.
        mesh: the devices.
        blocks: numbers of the blocks.
        is_last: whether they are the last ones.
        borrowed: variables of other stages that this one reads too, such as the token
            embedding that the output layer is.

    Attributes:
        variables: that it trains.
        returned: what is borrowed and trained.
        copies: of what is borrowed, on these devices.
    """

    def __init__(
        self,
        task: Any,
        mesh: dtensor.Mesh,
        blocks: range,
        is_last: bool,
        borrowed: Sequence[keras.Variable] = (),
    ):
        self.task, self.mesh = task, mesh
        self.blocks, self.is_last = blocks, is_last
        trained = task.trainable_variables
        self.variables = [v for v in trained if mesh_of(v) is mesh]
        self.borrowed = list(borrowed)
        self.returned = [v for v in borrowed if any(v is own for own in trained)]
        self.copies = [held_by(variable).copied(mesh) for variable in borrowed]
        self.forward = self._on_devices(self._forward)
        self._added = self._on_devices(self._gradients)
        self.losses = self._on_devices(self._losses)
        self.squares = self._on_devices(_squares)
        self.update = self._on_devices(self._update)
        self._add = self._on_devices(tf.add)
        self._add_scaled = self._on_devices(self._with_scaled)

    def gradients(self, batch, counts, own, key, entered, upstream, sums):
        """`_gradients` on the devices."""
        # TensorFlow 2.21 ends where a tensor of no numbers enters that has no address,
        # as those of GPUs have none.
        sums = tf.nest.map_structure(_unless_empty, sums)
        return self._added(batch, counts, own, key, entered, upstream, sums)

    def rows(self, batch):
        """Rows of the host, each replica's on its devices; rows that no loss counts
        fill up the last share."""
        *inputs, weights = batch
        missing = -weights.shape[0] % self.mesh.dim_size("data")

        def placed(x: np.ndarray, filling: np.ndarray) -> tf.Tensor:
            if missing:
                x = np.concatenate([x, np.repeat(filling, missing, axis=0)])
            return put(x, self.mesh, Placement(("data", *(None,) * (x.ndim - 1))))

        inputs = tf.nest.map_structure(lambda x: x.numpy(), inputs)
        inputs = tf.nest.map_structure(lambda x: placed(x, x[-1:]), inputs)
        weights = weights.numpy()
        return (*inputs, placed(weights, np.zeros_like(weights[-1:])))

    def scalars(self, *values: tf.Tensor) -> list[tf.Tensor]:
        """Scalars of the host on all devices."""
        return [put(value, self.mesh, Placement(())) for value in values]

    def take(self, hidden: tf.Tensor) -> tf.Tensor:
        """Hidden states, or their gradients, of another stage on these devices."""
        parts = []
        for part, device in zip(
            dtensor.unpack(hidden), self.mesh.local_devices(), strict=True
        ):
            with tf.device(device):
                parts.append(tf.identity(part))
        specs = dtensor.fetch_layout(hidden).sharding_specs
        return dtensor.pack(parts, dtensor.Layout(specs, self.mesh))

    def trains(self, variable: keras.Variable) -> bool:
        """Whether a variable is one of `variables`."""
        return any(own is variable for own in self.variables)

    def added(self, gradients: list, variable: keras.Variable, more) -> list:
        """Gradients of `variables` with one of another stage added to that of one."""
        place = next(i for i, own in enumerate(self.variables) if own is variable)
        total = self._add(gradients[place], self.take(more))
        return [*gradients[:place], total, *gradients[place + 1 :]]

    def placed_noise(self, key: tf.Tensor, rows: tf.Tensor) -> list[tf.Tensor]:
        """What private gradients of `variables` begin with, made on the host: the same
        on any devices.

        Args:
            key: uint32 scalar, of this update.
            rows: float32 scalar, that sums are divided by.
        """
        placed = []
        for i, variable in enumerate(self.task.trainable_variables):
            if self.trains(variable):
                value = noise(self.task.privacy, variable.shape, key, i) / rows
                placed.append(put(value, self.mesh, held_by(variable).placement))
        return placed

    def add_scaled(self, sums: list, gradients: list, factor: tf.Tensor) -> list:
        """Sums of gradients of `variables`, with those of a row times a factor."""
        return self._add_scaled(sums, gradients, *self.scalars(factor))

    def renew_copies(self) -> None:
        """Gives copies the values of what they are copies of."""
        for variable, copy in zip(self.borrowed, self.copies, strict=True):
            copy.take(self.take(held_by(variable).on_devices()))

    def _on_devices(self, function: Callable) -> Callable:
        """A graph of a function, traced and run on the devices."""
        graph = tf.function(function, autograph=False)

        def call(*arguments):
            with on_mesh(self.mesh, self.task.shard_sequence):
                return graph(*arguments)

        return call

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Inside, weights are whole where replicas share them, and copies are read."""
        with gathered_weights(), holding(self.borrowed, self.copies):
            yield

    def _run(self, entered: tf.Tensor | None, function: Callable):
        if entered is None and self.is_last:  # there is no other stage
            return function()
        given = run_part(Part(self.blocks, self.is_last, entered), function)
        return given if self.is_last else self._placed(given)

    def _forward(self, batch, key, entered):
        """What leaves the stage in training."""
        with self._reading(), keys_from(key):
            return self._run(
                entered, lambda: self.task.summed_loss(*batch, training=True)
            )

    def _losses(self, batch, counts, entered):
        """`test_losses` of a batch, or what leaves the stage."""
        with self._reading():
            return self._run(entered, lambda: self.task.test_losses(batch, counts))

    def _gradients(self, batch, counts, own, key, entered, upstream, sums):
        """Gradients of what the stage trains, added to sums, and of what entered.

        Args:
            batch: features, labels and weights.
            counts: `loss_counts` of the global batch.
            own: those that gradients are of the mean over (None: the same).
            key: uint32 scalar that keys of dropout come from.
            entered: hidden states of the stage before (None: this is the first).
            upstream: gradients by what leaves (None: this is the last stage).
            sums: of the micro-batches before (None: there is none), each None where
                it is of no numbers.

        Returns:
            Losses and their parts, as of `TrainingStep.scaled_loss`, () of a stage that
            is not the last, and gradients of `variables` and `returned`, both added to
            the sums; and the gradient of what entered, or None.
        """

        def scaled_loss():
            losses = self.task.summed_loss(*batch, training=True)
            return self.task.scaled_loss(losses, batch, counts, own)

        sources = [*self.variables, *self.returned]
        with self._reading(), keys_from(key), tf.GradientTape() as tape:
            if entered is not None:
                tape.watch(entered)
                sources.append(entered)
            given = self._run(entered, scaled_loss)
            if self.is_last:
                *losses, target = given
            else:  # hidden states, and what layers of this stage add to the loss
                losses = []
                added = self.task.updater.scale_loss(self.task.added_by_layers())
                target = [given, tf.convert_to_tensor(added, tf.float32)]
                upstream = [self._placed(upstream), tf.ones([])]
            gradients = dense_gradients(tape, target, sources, upstream)
        leaving = None if entered is None else self._placed(gradients.pop())
        more = losses, gradients
        if sums is not None:
            more = tf.nest.map_structure(_sum, sums, more)
        return more, leaving

    def _with_scaled(self, sums, gradients, factor):
        layouts = [held_by(v).placement.layout(self.mesh) for v in self.variables]
        return [
            total + dtensor.relayout(tf.cast(gradient, tf.float32) * factor, layout)
            for total, gradient, layout in zip(sums, gradients, layouts, strict=True)
        ]

    def _update(self, gradients, told) -> None:
        rate, factor, finite, *counts = told
        updater = self.task.updater
        for variable, gradient in zip(self.variables, gradients, strict=True):
            updater.update_alone(variable, gradient, rate, factor, finite, counts)

    def _placed(self, hidden: tf.Tensor) -> tf.Tensor:
        return dtensor.relayout(hidden, hidden_layout(hidden))


def mesh_of(variable: keras.Variable) -> dtensor.Mesh:
    """The devices that a weight is on."""
    return held_by(variable).mesh


def _unless_empty(tensor: tf.Tensor | None) -> tf.Tensor | None:
    return None if tensor is None or 0 in tensor.shape else tensor


def _sum(one: tf.Tensor | None, other: tf.Tensor) -> tf.Tensor:
    return other if one is None else one + other


def _squares(gradients: list[tf.Tensor]) -> tf.Tensor:
    """The squared norm of each, for the host to add up: DTensor's compiler may add
    sums of several devices in another order when a run goes on."""
    squares = [tf.reduce_sum(tf.square(gradient)) for gradient in gradients]
    return tf.stack(squares) if squares else tf.zeros([1])

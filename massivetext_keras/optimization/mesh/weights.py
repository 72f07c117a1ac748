"""What goes together with a mesh, and which share of a model each replica keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from massivetext_keras.architecture.axes import SHARD_STATES
from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.distribution.sharded import ShardedVariable, shared_by_replicas
from massivetext_keras.optimization.keras_seams import held_by, hold
from massivetext_keras.support.values import choose


def check_mesh(
    mesh: Mesh | None,
    optimizer: Any,
    shard_state: str,
    shard_sequence: bool,
    jit_compile: bool,
) -> None:
    """Refuses what does not go together with a mesh, or without one.

    Args:
        mesh: of a task (None: it has none).
        optimizer, shard_state, shard_sequence, jit_compile: as
            `TrainingStep.compile` has them.

    Raises:
        ValueError: says what it is, and what would do.
    """
    choose("shard_state", shard_state, dict.fromkeys(SHARD_STATES))
    asked = {"shard_state": shard_state, "shard_sequence": shard_sequence}
    if mesh is None:
        for name, value in asked.items():
            if value not in ("none", False):
                raise ValueError(
                    f"{name}={value!r} is for a model of a mesh: make it in the scope "
                    "of training.make_mesh(…)"
                )
        return
    if shard_sequence and mesh.tensor == 1:
        raise ValueError(
            "shard_sequence=True: the devices of a tensor axis share the tokens, and "
            f"{mesh} has one"
        )
    if jit_compile:
        raise ValueError("jit_compile=True: XLA compiles for one device, not a mesh")
    if not optimizer.updates_alone:
        name = type(optimizer).__name__
        raise ValueError(
            f"{name} does not update each weight by itself, as a mesh has to: take "
            "training.adamw(…), or SGD, Adam, Lion or Muon of Keras"
        )


def check_weights(variables: Sequence[keras.Variable]) -> None:
    """Refuses weights that a task on a mesh cannot train.

    Raises:
        ValueError: one is on no mesh.
    """
    for variable in variables:
        if not isinstance(held_by(variable), ShardedVariable):
            raise ValueError(
                f"the weight {variable.path} is on no mesh: make all of the task in "
                "the scope of its mesh"
            )


def share_weights(variables: list[keras.Variable], shares: bool) -> None:
    """Leaves each replica of a mesh a share of variables, or all of them."""
    for variable in variables:
        held = held_by(variable)
        if isinstance(held, ShardedVariable):
            placement = shared_by_replicas(held, shares)
            if placement != held.placement:
                hold(variable, held.copied(placement=placement))

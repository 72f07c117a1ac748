"""Devices in three named axes: data, tensor, pipeline."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator, Mapping, Sequence

import keras
import tensorflow as tf
from tensorflow.experimental import dtensor

from massivetext_keras.architecture.axes import AXES
from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.distribution.layouts import check_tensor_axis, placements
from massivetext_keras.distribution.sharded import Placement, ShardedVariable

# Combined, they let Adam read moments of the step before (TensorFlow 2.21).
_SWITCH = "DTENSOR_ENABLE_COMBINE_ALL_REDUCES_OPTIMIZATION"

_scopes = threading.local()


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Devices among which a model and its batches are split.

    Attributes:
        data: replicas, each with its share of the rows.
        tensor: devices among which each matrix of a block is split.
        pipeline: stages, each with its share of the blocks.
        stages: the devices of each stage, data x tensor.
    """

    data: int
    tensor: int
    pipeline: int
    stages: tuple[dtensor.Mesh, ...]

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Inside, the weights of models are made in parts on the devices.

        Raises:
            RuntimeError: it is a scope of a mesh or of a strategy already.
        """
        if tf.distribute.has_strategy():
            raise RuntimeError("a mesh has no place in the scope of a strategy")
        if current_mesh() is not None:
            raise RuntimeError("this is the scope of a mesh already")
        _scopes.mesh, _scopes.table = self, {}
        try:
            with tf.variable_creator_scope(self._create):
                yield
        finally:
            _scopes.mesh = None

    def _create(self, next_creator, **kwargs):
        """Makes a weight in its place, and whatever else as it would be made."""
        if current_mesh() is None or not kwargs.get("trainable"):
            return next_creator(**kwargs)
        value = kwargs["initial_value"]
        value = value() if callable(value) else value
        path = _path(kwargs["name"]).partition("/")[2]
        placement = _scopes.table.get(path) or Placement((None,) * len(value.shape))
        return ShardedVariable.of(
            value,
            self.stages[0],
            placement,
            value.shape,
            kwargs["dtype"],
            trainable=True,
            name=kwargs["name"],
        )

    def __str__(self) -> str:
        """Its axes in words."""
        return " x ".join(f"{axis} {getattr(self, axis)}" for axis in AXES)


def current_mesh() -> Mesh | None:
    """The mesh whose scope this is."""
    return getattr(_scopes, "mesh", None)


@contextlib.contextmanager
def outside_meshes() -> Iterator[None]:
    """Inside, weights are made as where there is no mesh, in a scope of one too."""
    mesh, _scopes.mesh = current_mesh(), None
    try:
        yield
    finally:
        _scopes.mesh = mesh


@contextlib.contextmanager
def weights_of(config: TransformerConfig) -> Iterator[None]:
    """Inside, and in the scope of a mesh, weights are made of a model with a config.

    Raises:
        ValueError: the mesh does not divide it.
    """
    mesh = current_mesh()
    if mesh is None:
        yield
        return
    check_tensor_axis(config, mesh.tensor)
    _scopes.table = placements(config, mesh.tensor)
    try:
        yield
    finally:
        _scopes.table = {}


def _path(name: str) -> str:
    """Of a weight of Keras that is about to be made."""
    return keras.Variable(0.0, trainable=False, name=name).path


def make_mesh(
    data: int = 1,
    tensor: int = 1,
    pipeline: int = 1,
    devices: Sequence[str] | None = None,
) -> Mesh:
    """Devices of this machine as a mesh, in whose `scope` a model is made.

    Args:
        data: replicas, each with its share of the rows of a batch.
        tensor: devices among which each matrix of a block is split, and the attention
            heads (Shoeybi et al., 2019).
        pipeline: stages, each with its share of the blocks.
        devices: such as `["GPU:0", "GPU:1"]` (None: the GPUs of this machine or,
            without GPUs, its logical CPUs).

    Raises:
        ValueError: an axis is not positive, or there are fewer devices.

    >>> make_mesh(data=4, tensor=8)
    Traceback (most recent call last):
    ValueError: a mesh of data 4 x tensor 8 x pipeline 1 needs 32 devices, here ...
    """
    sizes = {"data": data, "tensor": tensor, "pipeline": pipeline}
    for axis, size in sizes.items():
        if size < 1:
            raise ValueError(f"the {axis} axis must be positive, got {size}")
    os.environ[_SWITCH] = "0"
    devices = _devices(sizes, devices)
    size = data * tensor
    stages = tuple(
        dtensor.create_mesh(
            [("data", data), ("tensor", tensor)],
            devices=devices[stage * size : (stage + 1) * size],
            mesh_name=f"stage_{stage}",
        )
        for stage in range(pipeline)
    )
    return Mesh(data, tensor, pipeline, stages)


def _devices(sizes: Mapping[str, int], devices: Sequence[str] | None) -> list[str]:
    if devices is None:
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        count = len(tf.config.list_logical_devices(kind))
        devices = [f"{kind}:{i}" for i in range(count)]
    needed = 1
    for size in sizes.values():
        needed *= size
    if len(devices) < needed:
        shape = " x ".join(f"{axis} {size}" for axis, size in sizes.items())
        verb = "is" if len(devices) == 1 else "are"
        raise ValueError(
            f"a mesh of {shape} needs {needed} devices, here {verb} {len(devices)}: "
            "make the axes smaller or, to try it without GPUs, begin with "
            f"training.set_logical_cpus({needed}), on the command line "
            f"--set=train.logical_cpus={needed}"
        )
    return list(devices[:needed])

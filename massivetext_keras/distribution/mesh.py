"""Devices in three named axes: data, tensor, pipeline."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import random
import threading
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow.experimental import dtensor

from massivetext_keras.architecture.axes import AXES
from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.distribution.layouts import check_tensor_axis, placements
from massivetext_keras.distribution.meeting import leave_together, meet
from massivetext_keras.distribution.pipeline import stage_blocks, stage_of
from massivetext_keras.distribution.placement import Placement
from massivetext_keras.distribution.sharded import (
    ShardedVariable,
    first_value,
    on_host,
    on_mesh,
)
from massivetext_keras.distribution.workers import is_one_of_several, workers_of_job

# Combined, they let Adam read moments of the step before (TensorFlow 2.21).
_SWITCH = "DTENSOR_ENABLE_COMBINE_ALL_REDUCES_OPTIMIZATION"

logger = logging.getLogger(__name__)
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

        Workers go on with the same seed of `random`, which initializers take theirs
        from.

        Raises:
            RuntimeError: it is a scope of a mesh or of a strategy already.
        """
        if tf.distribute.has_strategy():
            raise RuntimeError("a mesh has no place in the scope of a strategy")
        if current_mesh() is not None:
            raise RuntimeError("this is the scope of a mesh already")
        if self.workers > 1:
            seed = random.getrandbits(50) if self.worker == 0 else 0
            random.seed(int(self.sum_over_workers(seed)))
        _scopes.mesh, _scopes.model = self, _Model()
        try:
            with tf.variable_creator_scope(self._create):
                yield
        finally:
            _scopes.mesh = None

    @property
    def workers(self) -> int:
        """How many processes have its devices, each as many."""
        return self.stages[0].size // self.stages[0].num_local_devices()

    @property
    def worker(self) -> int:
        """Which of them this is."""
        return dtensor.client_id() if self.workers > 1 else 0

    def sum_over_workers(self, value: float) -> float:
        """The sum of a number that each worker has, of integers below 2^53 exactly; all
        have to call this."""
        mesh = self.stages[0]
        parts = [np.zeros([1, 1], np.float64) for _ in range(mesh.num_local_devices())]
        parts[0][:] = value
        with on_mesh(mesh):
            numbers = dtensor.pack(parts, dtensor.Layout(["data", "tensor"], mesh))
            return float(on_host(_sum(numbers)))

    def _create(self, next_creator, **kwargs):
        """Makes a weight in its place, and whatever else as it would be made."""
        if current_mesh() is None or not kwargs.get("trainable"):
            return next_creator(**kwargs)
        path, value = _path(kwargs["name"]), first_value(kwargs)
        placement = _scopes.model.table.get(path.partition("/")[2])
        return ShardedVariable.of(
            value,
            self.stages[stage_of(path, _scopes.model.blocks, self.pipeline)],
            placement or Placement((None,) * len(value.shape)),
            value.shape,
            kwargs["dtype"],
            trainable=True,
            name=kwargs["name"],
        )

    def __str__(self) -> str:
        """Its axes in words."""
        return describe_axes({axis: getattr(self, axis) for axis in AXES})


@dataclasses.dataclass(frozen=True)
class _Model:
    """Whose weights are made.

    Attributes:
        table: of its weights, by path.
        blocks: of each stage.
    """

    table: Mapping[str, Placement] = dataclasses.field(default_factory=dict)
    blocks: Sequence[range] = ()


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
def weights_of(config: ModelConfig) -> Iterator[None]:
    """Inside, and in the scope of a mesh, weights are made of a model with a config.

    Raises:
        ValueError: the mesh does not divide it.
    """
    mesh = current_mesh()
    if mesh is None:
        yield
        return
    divided = check_tensor_axis(config, mesh.tensor)
    blocks = stage_blocks(divided, mesh.pipeline)
    _scopes.model = _Model(placements(divided, mesh.tensor), blocks)
    try:
        yield
    finally:
        _scopes.model = _Model()


@tf.function
def _sum(numbers: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(numbers)


def _path(name: str) -> str:
    """Of a weight of Keras that is about to be made."""
    return keras.Variable(0.0, trainable=False, name=name).path


def make_mesh(
    data: int = 1,
    tensor: int = 1,
    pipeline: int = 1,
    devices: Sequence[str] | None = None,
) -> Mesh:
    """Devices as a mesh, in whose `scope` a model is made.

    They are those of this machine or, where TF_CONFIG names several workers, equally
    many of each: then all workers run the same program, and each reads whole batches,
    of which it takes its share.

    Args:
        data: replicas, each with its share of the rows of a batch.
        tensor: devices among which each matrix of a block is split, and the attention
            heads (Shoeybi et al., 2019).
        pipeline: stages, each with its share of the blocks.
        devices: of this machine, such as `["GPU:0", "GPU:1"]` (None: its GPUs or,
            without GPUs, its logical CPUs).

    Raises:
        ValueError: an axis is not positive, or there are fewer devices.
        RuntimeError: there are several workers, and TensorFlow runs already.

    >>> make_mesh(data=4, tensor=8)
    Traceback (most recent call last):
    ValueError: a mesh of data 4 x tensor 8 x pipeline 1 needs 32 devices, here ...
    """
    sizes = {"data": data, "tensor": tensor, "pipeline": pipeline}
    for axis, size in sizes.items():
        if size < 1:
            raise ValueError(f"the {axis} axis must be positive, got {size}")
    os.environ[_SWITCH] = "0"
    workers = _connected_workers()
    devices = _devices(sizes, devices, workers)
    share = len(devices) // pipeline
    stages = tuple(
        _stage_mesh(data, tensor, stage, devices[stage * share : (stage + 1) * share])
        for stage in range(pipeline)
    )
    return Mesh(data, tensor, pipeline, stages)


def _stage_mesh(data: int, tensor: int, stage: int, devices: list[str]) -> dtensor.Mesh:
    """The devices of a stage, of which some may be those of other workers."""
    axes, name = [("data", data), ("tensor", tensor)], f"stage_{stage}"
    if len(devices) == data * tensor:
        return dtensor.create_mesh(axes, devices=devices, mesh_name=name)
    return dtensor.create_distributed_mesh(axes, name, devices)


def _connected_workers() -> int:
    """How many workers TF_CONFIG names; they are connected when this comes back.

    Raises:
        RuntimeError: TensorFlow runs already, too late to connect.
    """
    if not is_one_of_several():
        return 1
    addresses, own = workers_of_job()
    if dtensor.num_clients() == len(addresses):
        return len(addresses)
    os.environ["DTENSOR_JOB_NAME"] = "worker"
    os.environ["DTENSOR_JOBS"] = ",".join(addresses)
    os.environ["DTENSOR_CLIENT_ID"] = str(own)
    os.environ["DTENSOR_NUM_CLIENTS"] = str(len(addresses))
    meet(addresses, own)
    try:
        dtensor.initialize_accelerator_system(_kind())
    except ValueError as error:
        raise RuntimeError(
            "a mesh of several workers comes first: call make_mesh before a "
            "tokenizer, a model or a tensor is made"
        ) from error
    leave_together()
    return len(addresses)


def _kind() -> str:
    """Of the devices of a mesh that nobody chose."""
    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def _devices(
    sizes: Mapping[str, int], devices: Sequence[str] | None, workers: int
) -> list[str]:
    """Those of this worker, as many as each worker has of the mesh.

    Raises:
        ValueError: there are fewer, or workers cannot have equal shares.
    """
    if devices is None:
        kind = _kind()
        devices = [f"{kind}:{i}" for i in range(dtensor.num_local_devices(kind))]
    needed, shape = math.prod(sizes.values()), describe_axes(sizes)
    if needed % workers or needed // workers % sizes["pipeline"]:
        raise ValueError(
            f"a mesh of {shape} on {workers} workers: each worker has to have an equal "
            "share of the devices of each stage"
        )
    if len(devices) * workers < needed:
        verb = "is" if len(devices) * workers == 1 else "are"
        raise ValueError(
            f"a mesh of {shape} needs {needed} devices, here {verb} "
            f"{len(devices) * workers}: make the axes smaller or, to try it without "
            f"GPUs, begin with training.set_logical_cpus({needed}), on the command "
            f"line --set=train.logical_cpus={needed}"
        )
    return list(devices[: needed // workers])


def describe_axes(sizes: Mapping[str, int]) -> str:
    """Sizes of axes in words.

    >>> describe_axes({"data": 2, "tensor": 4})
    'data 2 x tensor 4'
    """
    return " x ".join(f"{axis} {size}" for axis, size in sizes.items())

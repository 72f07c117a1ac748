"""Variables whose parts lie on the devices of a mesh, and read as wholes elsewhere."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.experimental import dtensor
from tensorflow.python.ops.control_flow_v2_func_graphs import ControlFlowFuncGraph

from massivetext_keras.distribution.placement import (
    Box,
    Placement,
    parts_here,
    with_data_axis,
)
from massivetext_keras.kernels.split import is_split, split_among

_here = threading.local()
_uses = itertools.count(1)  # of meshes, each of which may have changed variables
_last_use = 0


@contextlib.contextmanager
def on_mesh(mesh: dtensor.Mesh, shard_sequence: bool = False) -> Iterator[None]:
    """Inside, graphs are traced and run on the devices of a mesh, and variables give
    their parts.

    Args:
        mesh: the devices.
        shard_sequence: as of `compile`.
    """
    global _last_use
    try:
        split = split_among(mesh.dim_size("tensor"), shard_sequence)
        with dtensor.default_mesh(mesh), split:
            yield
    finally:
        _last_use = next(_uses)


@contextlib.contextmanager
def gathered_weights() -> Iterator[None]:
    """Inside, on a mesh, a variable that replicas share gives all of their parts."""
    _here.gathers = True
    try:
        yield
    finally:
        _here.gathers = False


def put(value, mesh: dtensor.Mesh, placement: Placement) -> tf.Tensor:
    """A whole tensor of the host onto the devices of this process that want parts.

    Args:
        value: of NumPy or TensorFlow.
        mesh: where to.
        placement: what goes where.
    """
    value = np.asarray(value)
    return gathered_from(
        lambda box: value[box], value.shape, value.dtype, mesh, placement
    )


def gathered_from(
    read: Callable[[Box], np.ndarray],
    shape: Sequence[int],
    dtype: np.dtype,
    mesh: dtensor.Mesh,
    placement: Placement,
) -> tf.Tensor:
    """A tensor whose parts are read box by box, so that it need be nowhere whole.

    Args:
        read: gives what a box of the whole holds.
        shape, dtype: of the whole.
        mesh, placement: as of `put`.
    """
    parts = []
    for part in parts_here(shape, placement, mesh):
        values = np.empty(part.shape, dtype)
        for piece in part.pieces:
            values[piece.part] = read(piece.whole)
        parts.append(values)
    return dtensor.pack(parts, placement.layout(mesh))


def zeros(shape: Sequence[int], dtype, mesh: dtensor.Mesh, placement: Placement):
    """Zeros that are nowhere whole; arguments as of `gathered_from`."""
    dtype = tf.as_dtype(dtype).as_numpy_dtype
    return gathered_from(lambda box: dtype(0), shape, dtype, mesh, placement)


def on_host(tensor: tf.Tensor) -> tf.Tensor:
    """A tensor of a mesh, whole."""
    layout = dtensor.fetch_layout(tensor)
    if layout.is_fully_replicated():
        return tf.constant(dtensor.unpack(tensor)[0].numpy())
    axes = [None if x == dtensor.UNSHARDED else x for x in layout.sharding_specs]
    return tf.constant(whole(tensor, layout.mesh, Placement(tuple(axes))))


def whole(tensor: tf.Tensor, mesh: dtensor.Mesh, placement: Placement) -> np.ndarray:
    """What `put` was given; where other workers have parts, all of them have to ask."""
    is_here = _is_here(mesh)
    if not is_here:
        placement = placement._replace(axes=(None,) * tensor.shape.rank)
        with on_mesh(mesh):
            tensor = dtensor.relayout(tensor, placement.layout(mesh))
    value = np.empty(tensor.shape, tensor.dtype.as_numpy_dtype)
    places = parts_here(value.shape, placement, mesh)
    pairs = list(zip(places, dtensor.unpack(tensor), strict=True))
    for place, part in [x for x in pairs if x[0].first] if is_here else pairs[:1]:
        part = part.numpy()
        for piece in place.pieces:
            value[piece.whole] = part[piece.part]
    return value


def _is_here(mesh: dtensor.Mesh) -> bool:
    """Whether all devices of a mesh are those of this process."""
    return mesh.num_local_devices() == mesh.size


class ShardedVariable(dtensor.DVariable):
    """A variable in parts on the devices of a mesh.

    On the mesh it gives and takes tensors of the mesh. Elsewhere it looks like one
    variable of the host: `numpy` and what reads it give the whole, `assign` takes it.
    A graph of the host is given what the whole is when the graph is called; the host
    keeps it until something runs on a mesh, which may change it.

    Attributes:
        mesh: where its parts are.
        placement: how it is split.
    """

    @classmethod
    def of(
        cls, value, mesh: dtensor.Mesh, placement: Placement, shape, dtype, **kwargs
    ) -> ShardedVariable:
        """A variable of a whole value.

        Args:
            value: of NumPy or TensorFlow (None: zeros).
            mesh, placement: where its parts go.
            shape, dtype: of the whole.
            **kwargs: of `tf.Variable`.
        """
        if value is None:
            first = zeros(shape, dtype, mesh, placement)
        else:
            first = put(tf.cast(value, dtype), mesh, placement)
        variable = cls(first, dtype=dtype, **kwargs)
        variable.mesh, variable.placement = mesh, placement
        variable._read = None  # the whole, and the last use of a mesh before it
        return variable

    def copied(
        self, mesh: dtensor.Mesh | None = None, placement: Placement | None = None
    ) -> ShardedVariable:
        """One with the same value, on other devices or split in another way."""
        given = mesh or self.mesh, placement or self.placement, self.shape, self.dtype
        return self.of(self.numpy(), *given, trainable=self.trainable, name=self.name)

    def on_devices(self) -> tf.Tensor:
        """Its parts, as a tensor of the mesh."""
        with on_mesh(self.mesh):
            return super().read_value()

    def split_alike(self, value: tf.Tensor) -> tf.Tensor:
        """A tensor of its mesh, split as it is."""
        with on_mesh(self.mesh):
            return dtensor.relayout(value, self.placement.layout(self.mesh))

    def take(self, parts: tf.Tensor) -> None:
        """Takes a tensor of its mesh that is split as it is."""
        with on_mesh(self.mesh):
            super().assign(parts)

    def numpy(self) -> np.ndarray:
        """The whole of it."""
        return whole(super().read_value(), self.mesh, self.placement)

    @property
    def is_here(self) -> bool:
        """Whether this process has all of it."""
        return _is_here(self.mesh)

    @property
    def copies(self) -> int:
        """On how many devices each number of it is."""
        sizes = {name: self.mesh.dim_size(name) for name in self.mesh.dim_names}
        return math.prod(
            n for name, n in sizes.items() if name not in self.placement.axes
        )

    def pieces(self, turn: int) -> Iterator[tuple[Box, np.ndarray]]:
        """Boxes of the whole that this process is to write, and what they hold: those
        of all processes together are the whole, each once.

        Args:
            turn: number of the variable among those that are written.
        """
        places = parts_here(self.shape, self.placement, self.mesh, turn)
        for place, part in zip(places, self.local_parts(), strict=True):
            if place.first:
                part = part.numpy()
                yield from ((p.whole, part[p.part]) for p in place.pieces)

    def local_parts(self) -> list[tf.Tensor]:
        """What each device of this process has."""
        return dtensor.unpack(super().read_value())

    def fill(self, read: Callable[[Box], np.ndarray]) -> None:
        """Takes parts that are read as `gathered_from` has it."""
        dtype = self.dtype.as_numpy_dtype
        self.take(gathered_from(read, self.shape, dtype, self.mesh, self.placement))

    def local_bytes(self) -> int:
        """Bytes of the part that the first device has."""
        return self.local_parts()[0].numpy().nbytes

    def assign(self, value, use_locking=None, name=None, read_value=True):
        """Takes a tensor of the mesh on it, a whole one elsewhere."""
        if not is_split():
            value = put(value, self.mesh, self.placement)
            with dtensor.default_mesh(self.mesh):
                super().assign(value)
            self._read = None
            return self
        return super().assign(value, use_locking, name, read_value)

    def value(self):
        return self._gathered(super().value()) if is_split() else self._whole()

    def read_value(self):
        return self._gathered(super().read_value()) if is_split() else self._whole()

    def _gathered(self, value: tf.Tensor) -> tf.Tensor:
        axes = self.placement.axes
        if "data" not in axes or not getattr(_here, "gathers", False):
            return value
        kept = tuple(None if axis == "data" else axis for axis in axes)
        return dtensor.relayout(value, Placement(kept).layout(self.mesh))

    def _dense_var_to_tensor(self, dtype=None, name=None, as_ref=False):
        if is_split():
            return super()._dense_var_to_tensor(dtype, name, as_ref)
        return tf.convert_to_tensor(self._whole(), dtype)

    def _whole(self) -> tf.Tensor:
        if tf.executing_eagerly():
            return self._whole_now()
        graph = tf.compat.v1.get_default_graph()
        while isinstance(graph, ControlFlowFuncGraph):  # in the function itself
            graph = graph.outer_graph
        spec = tf.TensorSpec(self.shape, self.dtype)
        key = "whole", id(self)
        with graph.as_default():
            return graph.capture_call_time_value(self._whole_now, spec, key=key)

    def _whole_now(self) -> tf.Tensor:
        if self._read is None or self._read[1] != _last_use:
            self._read = tf.constant(self.numpy()), _last_use
        return self._read[0]


def shared_by_replicas(variable: ShardedVariable, shares: bool) -> Placement:
    """The placement of a variable of which each replica keeps a share, where one of its
    axes can be cut, or all of it."""
    axes = tuple(None if x == "data" else x for x in variable.placement.axes)
    placement = variable.placement._replace(axes=axes)
    if not shares:
        return placement
    data = variable.mesh.dim_size("data")
    return with_data_axis(placement, variable.shape, data) or placement


@contextlib.contextmanager
def state_of(variable, shares: bool) -> Iterator[None]:
    """Inside, `tf.Variable` makes what an optimizer keeps of a variable, where it lies.

    Args:
        variable: any one; what is kept of one that is on no mesh is not, either.
        shares: whether each replica keeps a share alone.
    """
    if not isinstance(variable, ShardedVariable):
        yield
        return
    mesh, placement = variable.mesh, shared_by_replicas(variable, shares)

    def create(next_creator, **kwargs):
        return ShardedVariable.of(
            None,
            mesh,
            placement,
            variable.shape,
            variable.dtype,
            trainable=False,
            name=kwargs.get("name"),
        )

    with tf.variable_creator_scope(create):
        yield


@contextlib.contextmanager
def beside(kernel) -> Iterator[None]:
    """Inside, the two matrices of an adapter are made where the kernel lies.

    The rows of the first, `a`, are split as those of the kernel, the columns of the
    second as its columns.

    Args:
        kernel: a variable [rows, columns]; beside one that is on no mesh they are made
            as ever.
    """
    if not isinstance(kernel, ShardedVariable):
        yield
        return
    rows, columns = kernel.placement.axes

    def create(next_creator, **kwargs):
        value = first_value(kwargs)
        if kwargs["name"] == "a":
            placement = Placement((rows, None))
        else:
            placement = kernel.placement._replace(axes=(None, columns))
        given = kernel.mesh, placement, value.shape, kwargs["dtype"]
        return ShardedVariable.of(value, *given, trainable=True, name=kwargs["name"])

    with tf.variable_creator_scope(create):
        yield


def first_value(arguments: Mapping):
    """The value that `tf.Variable` was given to begin with, or what makes it gives."""
    value = arguments["initial_value"]
    return value() if callable(value) else value

"""Variables whose parts lie on the devices of a mesh, and read as wholes elsewhere."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.experimental import dtensor
from tensorflow.python.ops.control_flow_v2_func_graphs import ControlFlowFuncGraph

from massivetext_keras.kernels.split import is_split, split_among

_here = threading.local()
_uses = itertools.count(1)  # of meshes, each of which may have changed variables
_last_use = 0


class Placement(NamedTuple):
    """How a tensor lies on a mesh.

    Attributes:
        axes: for each of its axes the name of the mesh's axis that it is split along,
            or None.
        parts: sizes of the parts that its last axis consists of, such as queries, keys
            and values; () if it is one.
        blocks: into how many blocks these parts are cut: the first of each part, then
            the second of each, so that every device has a share of every part.
    """

    axes: tuple[str | None, ...]
    parts: tuple[int, ...] = ()
    blocks: int = 1

    @property
    def order(self) -> np.ndarray | None:
        """The place in the whole of each column, None if they lie as in the whole.

        >>> Placement((None,), parts=(4, 2), blocks=2).order.tolist()
        [0, 1, 4, 2, 3, 5]
        """
        if self.blocks == 1 or len(self.parts) < 2:
            return None
        starts = np.cumsum([0, *self.parts[:-1]])
        places = [
            (start + np.arange(size)).reshape(self.blocks, -1)
            for start, size in zip(starts, self.parts, strict=True)
        ]
        return np.concatenate(places, axis=1).reshape(-1)

    def layout(self, mesh: dtensor.Mesh) -> dtensor.Layout:
        """DTensor's word for it."""
        return dtensor.Layout([x or dtensor.UNSHARDED for x in self.axes], mesh)


@contextlib.contextmanager
def on_mesh(mesh: dtensor.Mesh) -> Iterator[None]:
    """Inside, graphs are traced and run on the devices of a mesh, and variables give
    their parts."""
    global _last_use
    try:
        with dtensor.default_mesh(mesh), split_among(mesh.dim_size("tensor")):
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
    order = placement.order
    if order is not None:
        value = value[..., order]
    layout = placement.layout(mesh)
    parts = [
        np.array(value[place], order="C")
        for place in _places(value.shape, placement, mesh)
    ]
    return dtensor.pack(parts, layout)


def zeros(shape: Sequence[int], dtype, mesh: dtensor.Mesh, placement: Placement):
    """Zeros that are nowhere whole; arguments as of `put`."""
    places = _places(shape, placement, mesh)
    dtype = tf.as_dtype(dtype).as_numpy_dtype
    parts = [np.zeros([x.stop - x.start for x in place], dtype) for place in places]
    return dtensor.pack(parts, placement.layout(mesh))


def on_host(tensor: tf.Tensor) -> tf.Tensor:
    """A tensor of a mesh, whole."""
    layout = dtensor.fetch_layout(tensor)
    if layout.is_fully_replicated():
        return tf.constant(dtensor.unpack(tensor)[0].numpy())
    axes = [None if x == dtensor.UNSHARDED else x for x in layout.sharding_specs]
    return tf.constant(whole(tensor, layout.mesh, Placement(tuple(axes))))


def whole(tensor: tf.Tensor, mesh: dtensor.Mesh, placement: Placement) -> np.ndarray:
    """What `put` was given; where other workers have parts, all of them have to ask."""
    if mesh.num_local_devices() < mesh.size:
        with on_mesh(mesh):
            axes = (None,) * tensor.shape.rank
            tensor = dtensor.relayout(tensor, Placement(axes).layout(mesh))
        return _in_order(dtensor.unpack(tensor)[0].numpy(), placement)
    parts = [part.numpy() for part in dtensor.unpack(tensor)]
    value = np.empty(tensor.shape, parts[0].dtype)
    places = _places(value.shape, placement, mesh)
    for place, part in zip(places, parts, strict=True):
        value[place] = part
    return _in_order(value, placement)


def _in_order(value: np.ndarray, placement: Placement) -> np.ndarray:
    """Columns as they are in the whole."""
    order = placement.order
    if order is None:
        return value
    restored = np.empty_like(value)
    restored[..., order] = value
    return restored


def _places(shape, placement: Placement, mesh: dtensor.Mesh) -> list[tuple[slice, ...]]:
    """Where the part of each device of this process lies in the whole."""
    sizes = {name: mesh.dim_size(name) for name in mesh.dim_names}
    places = []
    for where in mesh.local_device_locations():
        place = []
        for size, axis in zip(shape, placement.axes, strict=True):
            step = size // sizes[axis] if axis else size
            start = where[axis] * step if axis else 0
            place.append(slice(start, start + step))
        places.append(tuple(place))
    return places


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

    def take(self, parts: tf.Tensor) -> None:
        """Takes a tensor of its mesh that is split as it is."""
        with on_mesh(self.mesh):
            super().assign(parts)

    def numpy(self) -> np.ndarray:
        """The whole of it."""
        return whole(super().read_value(), self.mesh, self.placement)

    def local_bytes(self) -> int:
        """Bytes of the part that the first device has."""
        return dtensor.unpack(super().read_value())[0].numpy().nbytes

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


def with_data_axis(
    placement: Placement, shape: Sequence[int], data: int
) -> Placement | None:
    """A placement that is split among the replicas too, along its first axis that can
    be; None if there is none.

    >>> with_data_axis(Placement((None, "tensor")), (6, 8), 2)
    Placement(axes=('data', 'tensor'), parts=(), blocks=1)
    >>> with_data_axis(Placement((None,)), (3,), 2) is None
    True
    """
    for i, (axis, size) in enumerate(zip(placement.axes, shape, strict=True)):
        if axis is None and size % data == 0:
            axes = (*placement.axes[:i], "data", *placement.axes[i + 1 :])
            return placement._replace(axes=axes)
    return None

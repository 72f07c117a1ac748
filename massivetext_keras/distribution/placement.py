"""How tensors are cut for the devices of a mesh: which boxes of the whole are where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tensorflow.experimental import dtensor

Box = tuple[slice, ...]


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


class Piece(NamedTuple):
    """A box of a whole tensor that is a box of a device's part too.

    Attributes:
        part: where it is in the part.
        whole: where it is in the whole.
    """

    part: Box
    whole: Box


class Part(NamedTuple):
    """What a device has of a tensor.

    Attributes:
        shape: of the part.
        pieces: of the whole that it consists of.
        first: whether, of all devices with this very part, it is the one that speaks
            for them; for another tensor it may be another one.
    """

    shape: tuple[int, ...]
    pieces: list[Piece]
    first: bool


def parts_here(
    shape: Sequence[int], placement: Placement, mesh: dtensor.Mesh, turn: int = 0
) -> list[Part]:
    """What each device of this process has of a tensor.

    Args:
        shape: of the whole.
        placement: how it lies.
        mesh: where.
        turn: number of the tensor; those who speak for others take turns.
    """
    sizes = {name: mesh.dim_size(name) for name in mesh.dim_names}
    order = placement.order
    return [
        _part(shape, placement.axes, order, sizes, where, turn)
        for where in mesh.local_device_locations()
    ]


def _part(
    shape: Sequence[int],
    axes: tuple[str | None, ...],
    order: np.ndarray | None,
    sizes: Mapping[str, int],
    where: Mapping[str, int],
    turn: int,
) -> Part:
    box = []
    for size, axis in zip(shape, axes, strict=True):
        step = size // sizes[axis] if axis else size
        start = where[axis] * step if axis else 0
        box.append(slice(start, start + step))
    others = [axis for axis in sizes if axis not in axes]
    number = _number([axis for axis in axes if axis], sizes, where)
    copies = math.prod(sizes[axis] for axis in others)
    first = _number(others, sizes, where) == (number + turn) % copies
    sides = tuple(x.stop - x.start for x in box)
    return Part(sides, list(_pieces(tuple(box), order)), first)


def _number(axes: Sequence[str], sizes: Mapping, where: Mapping) -> int:
    """Of a device among those that differ along some axes."""
    number = 0
    for axis in axes:
        number = number * sizes[axis] + where[axis]
    return number


def _pieces(box: Box, order: np.ndarray | None) -> Iterator[Piece]:
    """Of a part, which is a box of a whole whose columns are in some order."""
    rows = tuple(slice(0, x.stop - x.start) for x in box)
    if order is None:
        yield Piece(rows, box)
        return
    columns = order[box[-1]]
    ends = [*(np.flatnonzero(np.diff(columns) != 1) + 1), len(columns)]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        first = int(columns[start])
        run = slice(first, first + int(end - start))
        yield Piece((*rows[:-1], slice(int(start), int(end))), (*box[:-1], run))


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

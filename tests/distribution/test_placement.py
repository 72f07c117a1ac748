"""Which boxes of a tensor are on which device."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext_keras.distribution.placement import (
    Placement,
    parts_here,
    with_data_axis,
)


class Devices:
    """A mesh of which all devices are here."""

    def __init__(self, data: int, tensor: int):
        self.sizes = {"data": data, "tensor": tensor}
        self.dim_names = list(self.sizes)

    def dim_size(self, name: str) -> int:
        return self.sizes[name]

    def local_device_locations(self) -> list[dict[str, int]]:
        places = itertools.product(*map(range, self.sizes.values()))
        return [dict(zip(self.sizes, place, strict=True)) for place in places]


def test_blocks_have_a_share_of_every_part():
    placement = Placement((None,), parts=(4, 2, 2), blocks=2)
    assert placement.order.tolist() == [0, 1, 4, 6, 2, 3, 5, 7]


@pytest.mark.parametrize("placement", [Placement((None,)), Placement((None,), (4, 2))])
def test_what_is_not_cut_lies_as_in_the_whole(placement):
    assert placement.order is None


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.integers(2, 4))
def test_an_order_has_every_column_once(sizes, blocks):
    parts = tuple(blocks * size for size in sizes)
    order = Placement((None,), parts, blocks).order
    assert sorted(order) == list(range(sum(parts)))
    # Device i has rank i of each part.
    starts = np.cumsum([0, *parts])
    for i, own in enumerate(np.split(order, blocks)):
        for start, size in zip(starts, sizes, strict=False):
            assert start + i * size in own


def test_replicas_take_the_first_axis_that_divides():
    placement = Placement((None, None, "tensor"))
    assert with_data_axis(placement, (3, 4, 4), 2).axes == (None, "data", "tensor")
    assert with_data_axis(placement, (3, 5, 4), 2) is None


def test_columns_of_a_device_are_runs_of_the_whole():
    placement = Placement((None, "tensor"), parts=(4, 2, 2), blocks=2)
    first, second = parts_here((3, 8), placement, Devices(1, 2))
    assert first.shape == second.shape == (3, 4)
    whole = [[(x.start, x.stop) for x in p.whole] for p in second.pieces]
    part = [[(x.start, x.stop) for x in p.part] for p in second.pieces]
    assert whole == [[(0, 3), (2, 4)], [(0, 3), (5, 6)], [(0, 3), (7, 8)]]
    assert part == [[(0, 3), (0, 2)], [(0, 3), (2, 3)], [(0, 3), (3, 4)]]


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([(), ("data",), ("tensor",), ("data", "tensor")]),
    st.booleans(),
    st.integers(0, 5),
)
def test_one_device_speaks_for_each_box(data, tensor, axes, has_parts, turn):
    axes = (*axes, *[None] * (2 - len(axes)))[::-1]
    parts = (6 * tensor, 12 * tensor) if has_parts else ()
    placement = Placement(axes, parts, tensor if axes[-1] == "tensor" else 1)
    shape = (12, 18 * tensor)
    devices = Devices(data, tensor)
    counts, values = np.zeros(shape, int), np.arange(math.prod(shape)).reshape(shape)
    for place in parts_here(shape, placement, devices, turn):
        part = np.full(place.shape, -1)
        for piece in place.pieces:
            part[piece.part] = values[piece.whole]
            counts[piece.whole] += place.first
        assert (part >= 0).all()
    assert (counts == 1).all()


def test_those_who_speak_take_turns():
    devices = Devices(2, 2)
    speakers = [
        [p.first for p in parts_here((4,), Placement((None,)), devices, turn)]
        for turn in range(4)
    ]
    np.testing.assert_array_equal(speakers, np.eye(4, dtype=bool))

"""What goes together with a mesh: the table of docs/parallel.md, row by row."""

from __future__ import annotations

import pytest

from tests.optimization.mesh.combinations import WAYS
from tests.processes import last_line_of

pytestmark = pytest.mark.slow

# Half precision rounds sums of other parts in another way; Adam's steps of 1e-3 add up.
ROUNDING = {"mixed_bfloat16": 5e-3, "mixed_float16": 2e-3}


def test_ten_updates_are_those_of_one_device_in_every_way():
    distances = last_line_of("-m", "tests.optimization.mesh.combinations", *WAYS)
    assert list(distances) == list(WAYS)
    too_far = {
        way: distance
        for way, distance in distances.items()
        if distance > ROUNDING.get(way, 1e-5)
    }
    assert not too_far

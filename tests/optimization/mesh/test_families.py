"""Ten updates on a mesh leave the weights, and all that is kept of them, of ten updates
on one device, whatever the family and the split."""

from __future__ import annotations

import pytest

from tests.optimization.mesh.families import FAMILIES
from tests.processes import last_line_of

pytestmark = pytest.mark.slow

# The weights of one replica are not shared.
SPLITS = ["1x2:optimizer"]
SPLITS += [f"{mesh}:{x}" for mesh in ("2x1", "2x2") for x in ("optimizer", "weights")]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mesh_trains_as_one_device(family):
    program = "tests.optimization.mesh.families"
    distances = last_line_of("-m", program, family, *SPLITS)
    assert list(distances) == SPLITS
    for found in distances.values():
        assert found["weights"] < 1e-5 and found["state"] < 1e-5
        assert found["loss"] < 1e-5 and found["evaluation"] < 1e-5

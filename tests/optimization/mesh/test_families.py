"""Ten updates on a mesh leave the weights, and all that is kept of them, of ten updates
on one device, whatever the family and the split."""

from __future__ import annotations

import pytest

from tests.optimization.mesh.families import FAMILIES
from tests.processes import last_line_of

pytestmark = pytest.mark.slow

SPLITS = [
    f"{mesh}:{shard_state}"
    for mesh in ("2x1x1", "1x2x1", "2x2x1")
    for shard_state in ("optimizer", "weights")
]
STAGES = ["1x1x2", "1x2x2:optimizer", "2x1x2:weights"]
UNCUT = ("experts", "encoder-decoder")  # are refused, see `pipeline.check_stages`


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mesh_trains_as_one_device(family):
    splits = SPLITS + STAGES * (family not in UNCUT)
    distances = last_line_of("-m", "tests.optimization.mesh.families", family, *splits)
    assert list(distances) == splits
    for found in distances.values():
        assert found["weights"] < 1e-5 and found["state"] < 1e-5
        assert found["loss"] < 1e-5 and found["evaluation"] < 1e-5

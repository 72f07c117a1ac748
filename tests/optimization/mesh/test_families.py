"""Ten updates on a mesh leave the weights, and all that is kept of them, of ten updates
on one device, whatever the family and the split."""

from __future__ import annotations

import pytest

from tests.optimization.mesh.families import FAMILIES
from tests.processes import last_line_of

pytestmark = pytest.mark.slow

# Each axis and each way of sharing alone, in pairs and all at once, for one family. The
# others: each axis, what is shared of a replica, and tokens split or whole, once each.
THROUGH = "grouped heads, gated units"
SPLITS = ["1x2x1:optimizer", "2x1x1:optimizer", "2x1x1:weights", "1x1x2"]
SPLITS += ["2x2x1:optimizer:sequence", "2x1x2:weights", "2x2x2:weights:sequence"]
WHOLE = ["2x2x1:weights", "2x2x1:optimizer:sequence"]
# Of models with two blocks.
STAGES = ["2x2x1:weights", "1x2x2:optimizer:sequence"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mesh_trains_as_one_device(family):
    _, config = FAMILIES[family]
    splits = STAGES if config.num_layers > 1 else WHOLE
    splits = SPLITS if family == THROUGH else splits
    distances = last_line_of("-m", "tests.optimization.mesh.families", family, *splits)
    assert list(distances) == splits
    check(distances)


def check(distances: dict[str, dict[str, float]]) -> None:
    for found in distances.values():
        assert found["weights"] < 1e-5 and found["state"] < 1e-5
        assert found["loss"] < 1e-5 and found["evaluation"] < 1e-5

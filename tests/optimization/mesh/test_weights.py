"""What goes together with a mesh, or without one."""

from __future__ import annotations

import pytest

from massivetext_keras.distribution.mesh import Mesh
from massivetext_keras.optimization.mesh.weights import check_mesh
from massivetext_keras.training import adamw

REPLICAS = Mesh(data=2, tensor=1, pipeline=1, stages=())


@pytest.mark.parametrize(
    ("mesh", "asked", "message"),
    [
        (None, {"shard_state": "wieghts"}, "did you mean 'weights'"),
        (None, {"shard_state": "weights"}, "shard_state='weights' is for a model of a"),
        (
            None,
            {"shard_sequence": True},
            "shard_sequence=True is for a model of a mesh",
        ),
        (REPLICAS, {"shard_sequence": True}, "data 2 x tensor 1 x pipeline 1 has one"),
        (REPLICAS, {"jit_compile": True}, "XLA compiles for one device"),
    ],
)
def test_what_does_not_go_together_is_refused(mesh, asked, message):
    usual = {"shard_state": "none", "shard_sequence": False, "jit_compile": False}
    check_mesh(REPLICAS, adamw(1e-3), **usual)
    with pytest.raises(ValueError, match=message):
        check_mesh(mesh, adamw(1e-3), **usual | asked)

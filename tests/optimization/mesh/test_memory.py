"""What a device of a mesh holds is what its shape says."""

from __future__ import annotations

import pytest

from massivetext_keras.distribution.memory import Work, device_memory
from tests.optimization.mesh.kept import CONFIGS
from tests.optimization.mesh.memory import counted, measured
from tests.optimization.mesh.splits import parsed
from tests.processes import last_line_of


@pytest.fixture(scope="module")
def found() -> dict[str, list[list[int]]]:
    return last_line_of("-m", "tests.optimization.mesh.kept")


def test_devices_keep_to_the_byte_what_was_counted(found):
    assert len(found) == sum(len(meshes) for _, meshes in CONFIGS.values())
    for name, (config, meshes) in CONFIGS.items():
        for mesh in meshes:
            axes, options = parsed(mesh)
            count = axes["data"] * axes["tensor"]
            told = device_memory(config, axes, options["shard_state"], Work(8, 16))
            right = [[stage.kept] * count for stage in told]
            assert found[f"{name} {mesh}"] == right, (name, mesh)


def test_the_bytes_of_a_pipeline_by_hand(found):
    # Blocks of 16 x (16 + 2 x 8), 16 x 16 and 2 x 16 x 24 numbers, their biases and
    # norms; before them 49 + 32 rows of 16, of which the last stage has a copy of 49.
    block = 16 * 32 + 16 * 16 + 2 * 16 * 24 + 32 + 16 + 24 + 16 + 4 * 16
    first, last = 2 * block + 16 * (49 + 32), block + 2 * 16
    pipeline = [[4 * 3 * first], [4 * (3 * last + 49 * 16)]]
    assert found["tied 1x1x2"] == pipeline
    # Rows of 49 tokens are no multiple of two: their columns are shared.
    half = [[4 * (n + 2 * n // 2)] * 2 for n in (first + last,)]
    assert found["tied 2x1x1:optimizer"] == half
    assert found["tied 2x1x1:weights"] == [[4 * 3 * (first + last) // 2] * 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mesh", "size"),
    [("1x1x1", "shallow"), ("1x1x2", "small"), ("1x2x1:none:sequence", "shallow")],
)
def test_the_most_in_a_step_is_what_was_counted(mesh, size):
    told, held = counted(mesh, size), measured(mesh, size)
    assert held["kept"] == [stage.kept for stage in told]
    for stage, kept, step in zip(told, held["kept"], held["step"], strict=True):
        assert stage.total == pytest.approx(kept + step, rel=0.1)

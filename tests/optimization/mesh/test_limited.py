"""A model that is too large for the memory of one device trains on four."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.optimization.mesh.limited import UPDATES
from tests.processes import Python
from tests.training.test_multi_worker import finish, free_addresses, start

pytestmark = pytest.mark.slow

PROGRAM = "tests.optimization.mesh.limited"
# A limit that TensorFlow's allocator holds a CPU to; `memory_limit` of a logical device
# is refused for CPUs.
LIMIT = {"TF_CPU_ALLOCATOR_USE_BFC": "true", "TF_CPU_BFC_MEM_LIMIT_IN_MB": "96"}


def alone(folder: Path, **environment: str) -> Python:
    """A process that has ended."""
    folder.mkdir()
    files = {"output": folder / "output.txt", "errors": folder / "errors.txt"}
    environment = {**os.environ, **environment}
    process = Python("-m", PROGRAM, str(folder), **files, environment=environment)
    process.wait()
    return process


def losses(folder: Path) -> list[float]:
    return json.loads((folder / "losses.json").read_text())


def test_four_devices_train_what_is_too_large_for_one(tmp_path, monkeypatch):
    free = alone(tmp_path / "free")
    assert free.returncode == 0, free.errors.read_text()[-3000:]
    bound = alone(tmp_path / "bound", **LIMIT)
    assert bound.returncode
    assert "ResourceExhaustedError" in bound.errors.read_text()
    assert not (tmp_path / "bound" / "losses.json").exists()

    for name, value in LIMIT.items():
        monkeypatch.setenv(name, value)
    cluster, workers = {"worker": free_addresses(4)}, {}
    for i in range(4):
        config = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        folder = tmp_path / f"worker{i}"
        workers[folder] = start(folder, config, PROGRAM, "2x2x1")
    finish(workers)
    right = losses(tmp_path / "free")
    assert len(right) == UPDATES and right[-1] != right[0]
    for folder in workers:
        np.testing.assert_allclose(losses(folder), right, atol=1e-5)

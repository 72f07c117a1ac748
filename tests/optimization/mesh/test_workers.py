"""A mesh of two processes that talk over loopback trains as one device does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.training.test_multi_worker import finish, free_addresses, start

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("sizes", ["2x2x1", "2x1x2"])
def test_two_workers_are_one_mesh(sizes, tmp_path):
    cluster = {"worker": free_addresses(2)}
    workers = {}
    for i in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        folder = tmp_path / f"worker{i}"
        program = "tests.optimization.mesh.worker"
        workers[folder] = start(folder, config, program, sizes)
    finish(workers)
    for folder in workers:
        distances = json.loads((folder / "distances.json").read_text())
        assert distances.keys() == {"weights", "state", "loss", "evaluation"}
        assert max(distances.values()) < 1e-5
    chief, other = (np.load(folder / "first.npz") for folder in workers)
    assert chief.files == other.files
    for name in chief.files:  # drawn at random, and the same on both
        np.testing.assert_array_equal(chief[name], other[name])

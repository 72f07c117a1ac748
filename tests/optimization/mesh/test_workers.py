"""A mesh of two processes that talk over loopback trains as one device does."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.processes import Python
from tests.training.test_multi_worker import finish, free_addresses, start

pytestmark = pytest.mark.slow


PROGRAM = "tests.optimization.mesh.worker"


def two_workers(
    place: Path, *arguments: str, program: str = PROGRAM
) -> dict[Path, Python]:
    cluster = {"worker": free_addresses(2)}
    workers = {}
    for i in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        folder = place / f"worker{i}"
        workers[folder] = start(folder, config, program, *arguments)
    return workers


@pytest.mark.parametrize("sizes", ["2x2x1", "2x1x2"])
def test_two_workers_are_one_mesh(sizes, tmp_path):
    workers = two_workers(tmp_path, sizes)
    finish(workers)
    for folder in workers:
        distances = json.loads((folder / "distances.json").read_text())
        assert distances.keys() == {"weights", "state", "loss", "evaluation"}
        assert max(distances.values()) < 1e-5
    chief, other = (np.load(folder / "first.npz") for folder in workers)
    assert chief.files == other.files
    for name in chief.files:  # drawn at random, and the same on both
        np.testing.assert_array_equal(chief[name], other[name])


def test_a_killed_worker_ends_the_other_with_one_line(tmp_path):
    workers = two_workers(tmp_path, "4x1x1", "endless")
    (folder, first), (_, second) = workers.items()
    try:
        while not (folder / "begun").exists():
            assert first.poll() is None, (folder / "output.txt").read_text()[-3000:]
            time.sleep(0.2)
        second.kill()
        assert first.wait(timeout=60) == 1
    finally:
        for process in workers.values():
            process.kill()
    output = (folder / "output.txt").read_text()
    assert "RuntimeError: a worker ended or cannot be reached, so this one" in output


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_done_waits_for_the_others_unless_it_failed(fails, tmp_path):
    program = "tests.optimization.mesh.parting"
    workers = two_workers(tmp_path, *["fails"] * fails, program=program)
    (folder, first), (other, second) = workers.items()
    try:
        assert first.wait(timeout=120) == int(fails)
        ended = time.time()
        assert second.wait(timeout=120) == 0
    finally:
        for process in workers.values():
            process.kill()
    mine, its = (float((x / "done").read_text()) for x in (folder, other))
    assert its - mine > 2.0
    assert (ended < its) == fails

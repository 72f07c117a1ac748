"""A checkpoint of one mesh is gone on with on any other, and on one device."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
import safetensors.numpy

from tests.processes import last_line_of

pytestmark = pytest.mark.slow
SPLIT = "2x2:optimizer"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat, the dog sat on the log.\n" * 40)
    return path


def run(folder, text, split: str, stop: int = 0) -> dict:
    return last_line_of(
        "-m", "tests.training.resumed", str(folder), str(text), split, str(stop)
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory, text) -> dict:
    """One device, from the first update to the last."""
    return run(tmp_path_factory.mktemp("straight"), text, "none")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, text):
    """The folder of a run on a mesh that ended after its fourth update."""
    folder = tmp_path_factory.mktemp("stopped")
    run(folder, text, SPLIT, stop=4)
    return folder


def saved_digests(folder) -> list[str]:
    path = folder / "checkpoints" / "step_00000004" / "state.safetensors"
    state = safetensors.numpy.load_file(path)
    return [hashlib.sha256(state[k].tobytes()).hexdigest() for k in sorted(state)]


def furthest(one: dict, other: dict) -> float:
    pairs = zip(one["last"], other["last"], strict=True)
    return max(float(np.abs(np.array(a) - np.array(b)).max()) for a, b in pairs)


@pytest.mark.parametrize("split", ["none", "4x1:weights", "1x4", SPLIT])
def test_it_goes_on_from_the_very_bytes(tmp_path, text, straight, stopped, split):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    result = run(folder, text, split)
    assert result["first"] == saved_digests(stopped)
    assert furthest(result, straight) < 1e-5
    if split == SPLIT:
        undisturbed = run(tmp_path / "undisturbed", text, SPLIT)
        assert result["digests"] == undisturbed["digests"]

"""On a mesh of several workers each writes and reads its own share of a checkpoint."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from massivetext_keras.saving.tensor_files import Pieces
from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw
from massivetext_keras.training.callbacks.checkpoint import Checkpoint
from massivetext_keras.training.checkpoint_files import variables_of
from tests.training.shares import CONFIG
from tests.training.test_multi_worker import finish, free_addresses, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run's folder, and what both workers found."""
    place = tmp_path_factory.mktemp("shares")
    cluster, workers = {"worker": free_addresses(2)}, {}
    for i in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        folder = place / f"worker{i}"
        workers[folder] = start(
            folder, config, "tests.training.shares", str(place / "run")
        )
    finish(workers)
    results = [json.loads((x / "result.json").read_text()) for x in workers]
    return place / "run", results


def test_no_worker_holds_the_whole_state(run):
    for result in run[1]:
        assert result["changed"] and result["restored"]
        assert 0.5 <= result["here"] / result["whole"] < 0.52
        # A copy of what it writes, and while it reads one weight more than it has.
        assert result["saving"] < 0.6 * result["whole"]
        assert result["restoring"] < 0.6 * result["whole"]


def test_each_worker_writes_about_half(run):
    sizes = [x.stat().st_size for x in run[0].glob("checkpoints/*/state-*")]
    assert len(sizes) == 2
    assert max(sizes) / sum(sizes) < 0.52


def test_one_device_goes_on_with_both_shares(run):
    task = CausalLM(CONFIG)
    task.compile(adamw(1e-3))
    assert Checkpoint(run[0]).restore(task) == 0
    [folder] = run[0].glob("checkpoints/step_*")
    state = Pieces(sorted(folder.glob("*.safetensors")))
    variables = variables_of(task)
    assert len(state.kinds) == len(variables)
    for saved, variable in zip(sorted(state.kinds), variables.values(), strict=True):
        np.testing.assert_array_equal(state.read(saved), variable.numpy())


def test_a_missing_share_is_named(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    [share] = folder.glob("checkpoints/*/state-00002-of-00002.safetensors")
    share.unlink()
    task = CausalLM(CONFIG)
    task.compile(adamw(1e-3))
    with pytest.raises(ValueError, match="state-00002-of-00002.safetensors is missing"):
        Checkpoint(folder).restore(task)

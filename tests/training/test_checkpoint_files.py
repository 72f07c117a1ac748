"""A checkpoint that several workers write is there when all have, or not at all."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from massivetext_keras.saving.tensor_files import piece_name
from massivetext_keras.support.files import read_json
from massivetext_keras.training import checkpoint_files as files

FIRST = {
    piece_name("a", (slice(0, 1), slice(0, 2))): np.array([[1.0, 2.0]], "float32"),
    "step": np.array(7, "int64"),
}
SECOND = {
    piece_name("a", (slice(1, 3), slice(0, 2))): np.array([[3, 4], [5, 6]], "float32")
}


def test_it_appears_when_the_last_share_is_there(tmp_path):
    path = tmp_path / "step_00000007"
    files.write_share(path, FIRST, 0, 2)
    chief = threading.Thread(target=files.complete, args=(path, {"step": 7}, 2))
    chief.start()
    chief.join(0.2)
    assert chief.is_alive() and not path.exists()
    files.write_share(path, SECOND, 1, 2)
    chief.join(30)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    files.check_intact(path)
    manifest, state = files.open_state(path)
    assert manifest["step"] == 7
    assert list(manifest["sha256"]) == sorted(p.name for p in path.glob("state-*"))
    assert state.read("a").tolist() == [[1, 2], [3, 4], [5, 6]]
    assert state.read("step") == 7


def test_one_of_the_same_step_is_replaced(tmp_path):
    path = tmp_path / "step_00000007"
    files.write(path, {"a": np.zeros(2, "float32")}, {"step": 7})
    files.write_share(path, FIRST, 0, 2)
    files.write_share(path, SECOND, 1, 2)
    files.complete(path, {"step": 7}, 2)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert files.open_state(path)[1].kinds["a"].shape == (3, 2)


def test_a_worker_that_says_nothing_is_named(tmp_path):
    path = tmp_path / "step_00000007"
    files.write_share(path, FIRST, 0, 2)
    with pytest.raises(TimeoutError, match="^state-00002-of-00002.safetensors did not"):
        files.complete(path, {}, 2, patience=0.1)
    assert not path.exists()
    files.write_share(path, SECOND, 1, 2)  # what is there is not written again
    files.complete(path, {}, 2)
    files.check_intact(path)


def test_a_worker_that_cannot_write_says_so(tmp_path, monkeypatch):
    path = tmp_path / "step_00000007"
    files.write_share(path, FIRST, 0, 2)

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_tensors", full)
        with pytest.raises(OSError, match="no space left"):
            files.write_share(path, SECOND, 1, 2)
    with pytest.raises(OSError, match="00002.* was not written: no space left"):
        files.complete(path, {}, 2)
    assert not path.exists()
    files.write_share(path, SECOND, 1, 2)
    files.complete(path, {}, 2)
    assert files.is_intact(path)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "step_00000007"
    files.write_share(path, FIRST, 0, 2)
    files.write_share(path, SECOND, 1, 2)
    files.complete(path, {}, 2)
    return path


def test_each_worker_looks_at_some_files(path):
    share = path / "state-00002-of-00002.safetensors"
    share.write_bytes(share.read_bytes()[:-1] + b"x")
    files.check_intact(path, first=0, every=2)
    with pytest.raises(ValueError, match="00002-of-00002.safetensors is not the file"):
        files.check_intact(path, first=1, every=2)
    assert not files.is_intact(path)


def test_a_missing_share_is_missed_by_all(path):
    (path / "state-00002-of-00002.safetensors").unlink()
    for first in range(2):
        with pytest.raises(OSError, match="00002-of-00002.safetensors is missing"):
            files.check_intact(path, first, every=2)


def test_the_manifest_of_an_older_version_is_understood(tmp_path):
    path = tmp_path / "step_00000007"
    files.write(path, {"a": np.zeros(2, "float32")}, {"step": 7})
    manifest = read_json(path / files.MANIFEST)
    [(name, digest)] = manifest["sha256"].items()
    files.write_json(path / files.MANIFEST, {**manifest, "sha256": digest})
    assert name == "state.safetensors" and files.is_intact(path)
    assert files.open_state(path)[1].kinds["a"].shape == (2,)

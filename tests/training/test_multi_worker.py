"""Two processes that talk over loopback train as one does."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tests.processes import Python, last_line_of
from tests.training import worker
from tests.training.tiny import batch
from tests.training.worker import STEPS

SECONDS = 900

pytestmark = pytest.mark.slow


def free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"127.0.0.1:{port}" for port in ports]


def start(
    folder: Path, config: dict, program: str = "tests.training.worker", *arguments: str
) -> Python:
    """A worker, which is given its folder and arguments."""
    folder.mkdir()
    output = folder / "output.txt"
    return Python(
        *("-m", program, str(folder), *arguments),
        output=output,
        errors=output,
        environment={**os.environ, "TF_CONFIG": json.dumps(config)},
    )


def finish(workers: dict[Path, Python]) -> None:
    """Waits for all; ends all when one fails, for the others would wait for it."""
    deadline = time.monotonic() + SECONDS
    try:
        while running := [w for w in workers.values() if w.poll() is None]:
            failed = any(w.returncode for w in workers.values())
            if failed or time.monotonic() > deadline:
                break
            time.sleep(0.2)
    finally:
        for process in workers.values():
            process.kill()
            process.wait()
    if running or any(w.returncode for w in workers.values()):
        outputs = [
            f"{path.name} ended with {process.returncode}:\n"
            f"{(path / 'output.txt').read_text()[-3000:]}"
            for path, process in workers.items()
        ]
        pytest.fail("\n".join(outputs))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """What the first and second worker and this process alone left behind."""
    place = tmp_path_factory.mktemp("workers")
    cluster = {"worker": free_addresses(2)}
    configs = {
        f"worker{i}": {"cluster": cluster, "task": {"type": "worker", "index": i}}
        for i in range(2)
    }
    finish({place / name: start(place / name, c) for name, c in configs.items()})
    (place / "alone").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TF_CONFIG", raising=False)
        worker.main(place / "alone")
    return [place / name for name in (*configs, "alone")]


@pytest.fixture(scope="module")
def results(folders) -> list[dict[str, np.ndarray]]:
    return [dict(np.load(folder / "result.npz")) for folder in folders]


def test_two_workers_train_as_one_process_does(results):
    halves = [np.split(batch(i)[2], 2) for i in range(STEPS)]
    assert any(left.sum() != right.sum() for left, right in halves)
    first, second, alone = results
    assert (first["replicas"], second["replicas"], alone["replicas"]) == (2, 2, 1)
    assert first.keys() == second.keys() == alone.keys()
    assert {"loss", "val_loss", "gradient_norm", "bits_per_byte"} < alone.keys()
    for name in alone.keys() - {"replicas"}:
        for other in (first, second):
            np.testing.assert_allclose(
                other[name], alone[name], rtol=0, atol=1e-5, err_msg=name
            )


def test_the_chief_alone_writes_checkpoints(folders):
    found = [(folder / "checkpoints").exists() for folder in folders]
    assert found == [True, False, True]


@pytest.fixture(scope="module", params=["none", "data=2,tensor=2"])
def disturbed(request, tmp_path_factory) -> dict:
    """Of two workers, one is killed; then one is told to stop; then both go on."""
    words = " ".join(["workers", request.param, *free_addresses(2)])
    folder = str(tmp_path_factory.mktemp("disturbed"))
    result = last_line_of("-m", "tests.training.survivor", folder, words)
    return {**result, "mesh": request.param != "none"}


def test_a_killed_worker_ends_the_other_with_one_line(disturbed):
    assert disturbed["killed"] == [1, -9]
    (line,) = disturbed["complaint"]
    assert line.startswith("massivetext: a worker ended or cannot be reached")
    assert "the same commands" in line


def test_one_worker_that_is_told_to_stop_stops_both_at_one_step(disturbed):
    assert disturbed["told"] == [143, 143]
    step = int(disturbed["after_term"].removeprefix("step_"))
    assert disturbed["stopped"] == [[f"stopped after step {step}"]] * 2


def test_the_same_commands_go_on_bit_for_bit(disturbed):
    assert (disturbed["whole"], disturbed["went_on"]) == ([0, 0], [0, 0])
    assert disturbed["equal"]


def test_one_device_goes_on_with_what_two_workers_left(disturbed):
    shares = [f"state-0000{i}-of-00002.safetensors" for i in (1, 2)]
    state = shares if disturbed["mesh"] else ["state.safetensors"]
    assert disturbed["files"] == ["manifest.json", *state]
    assert disturbed["alone"] == 0 and disturbed["equal_alone"]

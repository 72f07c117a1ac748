"""Killed at any moment, the same command goes on and gives the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.engines import killed
from tests.processes import ROOT


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A folder of a run that nothing stopped: its inputs, and all bytes it wrote."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "in").mkdir()
    numbers = random.Random(3)
    for part in range(6):
        texts = ["x" * numbers.randrange(2000) for _ in range(60)]
        if part in (1, 4):
            texts[numbers.randrange(60)] = "crash"
        rows = {"source": [str(part)] * 60, "position": range(60), "text": texts}
        pq.write_table(pa.table(rows), folder / f"in/{part}.parquet")
    killed.run(folder)
    return folder, contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for stage in ("mapped", "grouped")
        for path in sorted((folder / stage).rglob("*"))
        if path.is_file()
    }


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.corpus.engines.killed", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        # A job in the background may have been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def descendants(process: int) -> list[int]:
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, listed) for one in [child, *descendants(child)]]


def is_running(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def none_runs(processes: list[int], within: float = 60.0) -> bool:
    end = time.monotonic() + within
    while any(map(is_running, processes)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(is_running, processes))


def copy_of(expected, tmp_path) -> Path:
    (tmp_path / "in").symlink_to(expected[0] / "in")
    return tmp_path


@pytest.mark.slow
def test_killed_ten_times(expected, tmp_path):
    folder = copy_of(expected, tmp_path)
    numbers, orphans, kills, early = random.Random(5), [], 0, 0.1
    while kills < 10:
        program = start(folder)
        while program.poll() is None and not descendants(program.pid):
            time.sleep(0.01)  # on a busy machine it takes long to begin
        time.sleep(early + numbers.random() * 0.5)
        seen = descendants(program.pid)
        if program.poll() is not None:
            assert program.returncode == 0
            if kills >= 3:
                break
            for stage in ("mapped", "grouped"):  # it was faster: anew, and sooner
                shutil.rmtree(folder / stage)
            early *= 0.7
            continue
        program.kill()
        program.wait()
        kills += 1
        assert none_runs(seen)
        orphans += seen
    assert orphans
    assert start(folder).wait() == 0
    assert contents(folder) == expected[1]


def test_what_an_ended_writer_left_is_removed(expected, tmp_path):
    folder = copy_of(expected, tmp_path)
    for draft in ("mapped/.4.parquet.1.tmp", "mapped/_quarantine/.4.json.1.tmp"):
        (folder / draft).parent.mkdir(parents=True, exist_ok=True)
        (folder / draft).touch()
    killed.run(folder)
    assert contents(folder) == expected[1]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_nothing_behind(expected, tmp_path, how):
    folder = copy_of(expected, tmp_path)
    program = start(folder)
    while not list(folder.glob("mapped/*.parquet")):
        time.sleep(0.01)
    seen = descendants(program.pid)
    program.send_signal(how)
    assert program.wait(timeout=60) != 0
    assert len(seen) >= 2 and none_runs(seen)
    killed.run(folder)
    assert contents(folder) == expected[1]

"""Memory: sizes as people write them, and a sort that is larger than it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.engines.memory import own_bytes, proportional_bytes
from massivetext_keras.support.machine import free_bytes
from massivetext_keras.support.values import parse_size
from tests.corpus.engines import functions


@pytest.mark.parametrize(
    ("size", "expected"),
    [(7, 7), ("7", 7), ("7B", 7), ("2KB", 2000), ("1.5 gib", 3 << 29), ("3T", 3e12)],
)
def test_sizes(size, expected):
    assert parse_size(size) == expected


@pytest.mark.parametrize("size", ["", "GB", "1 GX", "-1GB", "1BB", None])
def test_what_is_no_size(size):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(size)


def test_bytes_of_processes():
    before = own_bytes()
    held = np.ones(5_000_000)
    assert 0 <= own_bytes() - before - held.nbytes < 10_000_000
    assert proportional_bytes() > own_bytes()
    assert own_bytes(2**22 + 1) == proportional_bytes(2**22 + 1) == 0


def test_half_of_what_is_free_is_taken():
    free = free_bytes()
    assert 100_000_000 < free < 2**45
    with LocalEngine(1) as engine:
        assert 0.4 < (engine.worker_memory / free) < 0.6


def descendants(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [one for child in map(int, listed) for one in [child, *descendants(child)]]


@pytest.mark.slow
def test_a_sort_larger_than_memory(tmp_path):
    """600 MB of long texts under 300 MB."""
    numbers, rows, inputs = np.random.default_rng(1), 4000, []
    noise = numbers.integers(97, 123, 10_000_000, np.uint8).tobytes().decode()
    for part in range(15):
        starts = numbers.integers(0, len(noise) - 40_000, rows)
        lengths = np.minimum(numbers.lognormal(8.7, 1, rows), 40_000).astype(int)
        texts = [
            noise[start : start + length]
            for start, length in zip(starts, lengths, strict=True)
        ]
        table = pa.table(
            {
                "text": texts,
                "id": numbers.integers(0, 2**63, rows),
            }
        )
        inputs.append(tmp_path / f"{part}.parquet")
        pq.write_table(table, inputs[-1], compression="lz4", row_group_size=500)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            server = engine._pool._server
            if server is not None:
                processes = [server.process, *descendants(server.process)]
                peak[0] = max(peak[0], sum(map(proportional_bytes, processes)))

    with LocalEngine(2, max_memory=proportional_bytes() + 300_000_000) as engine:
        watcher = threading.Thread(target=watch)
        watcher.start()
        found = engine.group_by_key(inputs, ["id"], functions.same, tmp_path / "out")
        done.set()
        watcher.join()
    assert sum(pq.read_metadata(path).num_rows for path in found) == rows * len(inputs)
    for path in found[:3]:
        table = pq.read_table(path, columns=["id"])
        assert table.equals(table.sort_by("id"))
    assert 100_000_000 < peak[0] < 300_000_000, peak[0]

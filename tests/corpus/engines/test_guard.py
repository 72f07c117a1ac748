"""Documents that crash, hang or take all memory are left out; the run goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.engines import guard, parts, pool
from massivetext_keras.corpus.engines.guard import Counts, Guard, Memory, Name
from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.engines.memory import proportional_bytes
from massivetext_keras.corpus.engines.tasks import StageError
from massivetext_keras.reading.document import Document
from tests.corpus.engines import functions

HARM = {
    "hang in Python": "time limit",
    "hang in C": "time limit",
    "crash": "crashed: SIGSEGV",
    "crash in C": "crashed: SIGSEGV",
    "exit": "crashed: exit code 3",
    "take memory slowly": "memory limit",
    "take memory at once": "memory limit",
    "take memory in NumPy": "memory limit",
    "take memory in Arrow": "memory limit",
    "raise": "ValueError: no 'raise' please",
}


@pytest.fixture(scope="module")
def engine():
    memory = proportional_bytes() + 600_000_000
    with LocalEngine(workers=2, max_memory=memory, time_limit=1.5) as engine:
        yield engine


def write(path, texts):
    rows = {"source": ["a/b"] * len(texts), "position": range(len(texts))}
    table = pa.table({**rows, "text": texts})
    pq.write_table(table, path, row_group_size=len(texts) // 2)
    return path


@pytest.mark.parametrize("function", [functions.lengths, functions.lengths_together])
def test_what_does_harm_is_left_out(engine, tmp_path, function):
    texts = ["one", "four"] * (2 * len(HARM))
    texts[3::4] = HARM
    part = write(tmp_path / "a.parquet", texts)
    found = engine.map_batches([part], function, tmp_path / "out")
    rows = pq.read_table(found[0]).to_pylist()
    assert [row["position"] for row in rows] == list(range(len(texts)))
    assert [row["reason"] for row in rows] == [HARM.get(text) for text in texts]
    lengths = [None if text in HARM else len(text) for text in texts]
    assert [row["length"] for row in rows] == lengths


def test_decisions_are_kept_for_a_run_that_goes_on(engine, tmp_path):
    part = write(tmp_path / "a.parquet", ["one", "crash", "three", "four"])
    (first,) = engine.map_batches([part], functions.lengths, tmp_path / "out")
    expected = first.read_bytes()
    first.unlink()
    write(part, ["one", "now harmless", "three", "four"])
    engine.map_batches([part], functions.lengths, tmp_path / "out")
    assert first.read_bytes() == expected
    kept = json.loads((tmp_path / "out/_quarantine/a.json").read_text())
    row = {"subset": "web", "source": "a/b", "position": 1}
    assert kept == {"documents": [{**row, "reason": "crashed: SIGSEGV"}]}


@pytest.mark.parametrize("harm", ["hang in C", "crash", "raise"])
def test_a_reader_that_does_harm_ends_there(engine, tmp_path, harm):
    part = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one", "four", harm, "five"]}), part)
    found = engine.map_batches([part], functions.lengths_as_read, tmp_path / "out")
    rows = pq.read_table(found[0]).to_pylist()
    assert [row["length"] for row in rows] == [3, 4, None]
    assert [row["reason"] for row in rows] == [None, None, HARM[harm]]


def test_a_crash_at_no_document_stops_the_stage(engine, tmp_path):
    part = write(tmp_path / "a.parquet", ["one", "two"])
    with pytest.raises(StageError, match="a.parquet: 3 times, at no document: crashed"):
        engine.map_batches([part], functions.crash, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_function_that_begins_what_is_quarantined_stops(engine, tmp_path):
    part = write(tmp_path / "a.parquet", ["one", "two"])
    with pytest.raises(StageError, match="3 times, at no document: crashed: SIGSEGV"):
        engine.map_batches([part], functions.crash_at_the_first, tmp_path / "out")


@pytest.mark.parametrize("function", [functions.lengths, functions.lengths_together])
def test_a_step_that_fails_for_all_stops(engine, tmp_path, function):
    part = write(tmp_path / "a.parquet", ["raise"] * 300)
    with pytest.raises(StageError, match="ValueError: no 'raise' please"):
        engine.map_batches([part], function, tmp_path / "out")


def test_an_error_at_no_document_names_the_part_and_where(engine, tmp_path):
    part = write(tmp_path / "a.parquet", ["one", "two"])
    with pytest.raises(StageError, match="out/a.parquet: KeyError: 'Field") as caught:
        engine.map_batches([part], functions.doubled, tmp_path / "out")
    assert "functions.py" in caught.value.__notes__[0]


def test_a_full_disk_is_told_and_the_run_goes_on(engine, tmp_path):
    inputs = [
        write(tmp_path / f"{name}.parquet", ["one", text])
        for name, text in {"a": "two", "b": "disk full"}.items()
    ]
    with pytest.raises(StageError, match="b.parquet: the disk is full; free space"):
        engine.map_batches(inputs, functions.lengths, tmp_path / "out")
    write(inputs[1], ["one", "two"])
    found = engine.map_batches(inputs, functions.lengths, tmp_path / "out")
    assert found[0].read_bytes() == found[1].read_bytes()


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path):
    def tables():
        yield pa.table({"n": [1]})
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        parts.write_part(tmp_path / "a.parquet", tables())
    assert list(tmp_path.iterdir()) == []


def test_time_in_which_nobody_looked_does_not_count():
    memory = Memory(bytearray(guard.MEMORY))
    clock = iter([10.0, 10.5, 1000.0, 1000.25, 1000.5, 1000.75])
    worker = pool.Worker(0, None, memory, clock=lambda: next(clock))
    memory.begin([Name("", "a", 1)])
    assert [worker.seconds() for _ in range(3)] == [0, 0.5, 1.5]
    memory.begin([Name("", "a", 2)])
    assert worker.seconds() == 0
    assert worker.seconds() == 0.25
    memory.end()
    assert worker.seconds() == 0


def test_memory_tells_what_was_begun_last():
    memory = Memory(bytearray(guard.MEMORY))
    assert memory.names == []
    memory.begin([Name("", "a b/ü\n", 3), Name("web", "c", 0)])
    assert memory.names == [("", "a b/ü\n", 3), ("web", "c", 0)]
    memory.begin([Name("web", "d\udcff", 12)])
    memory.count(Counts(1, 2, 3))
    assert memory.names == [("web", "d\udcff", 12)]
    assert memory.counts == (1, 2, 3)
    with pytest.raises(ValueError, match="too many"):
        memory.begin([Name("", "x" * 100, 0)] * 50_000)
    memory.end()
    assert memory.names == []


def test_each_keeps_the_order_and_leaves_out_the_quarantined():
    names = [Name("web", "a", position) for position in range(6)]
    documents = [Document("x", *name) for name in names]
    calls = []
    held = Guard(quarantine={names[2]: "crashed"}, suspects={names[4]})
    guard.use(held)
    try:
        found = list(guard.each(documents, lambda some: calls.append(len(some))))
    finally:
        guard.use(Guard())
    assert calls == [2, 1, 1, 1]
    assert [one.position for some, _, _ in found for one in some] == list(range(6))
    assert [reason for _, _, reason in found] == [None, "crashed", None, None, None]


def test_what_the_progress_says(tmp_path):
    told = []
    inputs = [write(tmp_path / f"{name}.parquet", ["one", "four"]) for name in "ab"]
    memory = proportional_bytes() + 600_000_000
    with LocalEngine(1, memory, progress=told.append) as engine:
        engine.map_batches(inputs[:1], functions.lengths, tmp_path / "out")
        assert told[-1].counts == (2, 7, 2)
        engine.map_batches(inputs, functions.lengths, tmp_path / "out")
    last = told[-1]
    assert (last.stage, last.parts, last.parts_done) == ("out", 2, 2)
    assert last.counts == (2, 7, 2)


def test_the_server_has_one_thread_and_no_tensorflow(engine, tmp_path):
    part = write(tmp_path / "a.parquet", ["one", "two"])
    engine.map_batches([part], functions.lengths, tmp_path / "out")
    server = engine._pool._server.process
    assert os.getpid() != server
    maps = Path(f"/proc/{server}/maps").read_text()
    assert "pyarrow" in maps and "tensorflow" not in maps

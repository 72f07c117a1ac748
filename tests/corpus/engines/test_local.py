"""The engine of one machine gives what the plain engine gives."""

from __future__ import annotations

import functools
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.engines.local import LocalEngine
from massivetext_keras.corpus.engines.memory import proportional_bytes
from tests.corpus.engines import functions
from tests.corpus.plain_engine import PlainEngine


@pytest.fixture(scope="module")
def engine():
    with LocalEngine(workers=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Four parts, one without rows."""
    folder = tmp_path_factory.mktemp("inputs")
    numbers = np.random.default_rng(7)
    paths = []
    for part, many in enumerate([300, 0, 500, 1]):
        keys = numbers.integers(0, 100, many)
        table = pa.table(
            {
                "n": numbers.integers(0, 50, many),
                "key": pa.array(
                    [None if key == 0 else key for key in keys], pa.int64()
                ),
                "name": pa.array(
                    [f"{n:x}" * 40 for n in numbers.integers(0, 999, many)], pa.string()
                ),
                "hash": pa.array([bytes([key, 0]) for key in keys], pa.binary(2)),
            }
        )
        paths.append(folder / f"{part}.parquet")
        pq.write_table(table, paths[-1])
    return paths


def read(paths):
    return pa.concat_tables(map(pq.read_table, paths))


def bytes_of(paths):
    return [path.read_bytes() for path in paths]


def test_map_batches(engine, inputs, tmp_path):
    expected = PlainEngine().map_batches(inputs, functions.doubled, tmp_path / "plain")
    found = engine.map_batches(inputs, functions.doubled, tmp_path / "local")
    assert [path.name for path in found] == [path.name for path in expected]
    assert read(found).equals(read(expected))


def test_bytes_depend_on_neither_workers_nor_memory_nor_order(engine, inputs, tmp_path):
    run = functools.partial(engine.map_batches, function=functions.doubled)
    expected = bytes_of(run(inputs, output=tmp_path / "first"))
    mixed = random.Random(1).sample(inputs, 4)
    assert bytes_of(run(mixed, output=tmp_path / "second")) == expected
    for workers in (1, 3):
        with LocalEngine(workers, proportional_bytes() + 10**9) as other:
            found = other.map_batches(
                mixed, functions.doubled, tmp_path / f"{workers} workers"
            )
        assert bytes_of(found) == expected


@pytest.mark.parametrize("free", [None, 40_000])
def test_group_by_key(engine, inputs, tmp_path, monkeypatch, free):
    if free:  # some buckets, each in some ranges
        monkeypatch.setattr(engine, "free", free)
    arguments = inputs, ["key"], functions.joined
    expected = PlainEngine().group_by_key(*arguments, tmp_path / "plain")
    found = engine.group_by_key(*arguments, tmp_path / "local")
    assert len(found) == 1 if not free else len(found) > 5
    by_key = [("key", "ascending")]
    assert read(found).sort_by(by_key).equals(read(expected).sort_by(by_key))
    assert sorted(path.name for path in (tmp_path / "local").iterdir()) == [
        "_complete",
        *(f"part-{number:05}.parquet" for number in range(len(found))),
    ]
    assert engine.group_by_key(inputs, ["key"], None, tmp_path / "local") == found


def test_columns_are_chosen_and_ordered(engine, inputs, tmp_path):
    found = engine.map_batches(
        inputs, functions.same, tmp_path / "map", columns=["name", "n"]
    )
    assert read(found).column_names == ["name", "n"]
    found = engine.group_by_key(
        inputs,
        ["hash", "key"],
        functions.same,
        tmp_path / "group",
        ["n", "key", "hash"],
    )
    rows = [tuple(row.values()) for row in read(found).to_pylist()]
    assert len(rows) == 801
    assert rows == sorted(rows, key=lambda row: (row[2], row[1] or -1, row[0]))


def test_parts_that_are_there_are_not_made_again(engine, inputs, tmp_path):
    parts = engine.map_batches(inputs, functions.same, tmp_path / "out")
    parts[2].unlink()
    parts[0].write_bytes(b"kept")
    assert engine.map_batches(inputs, functions.same, tmp_path / "out") == parts
    assert parts[0].read_bytes() == b"kept"
    assert len(pq.read_table(parts[2])) == 500


def test_no_inputs(engine, tmp_path):
    assert engine.map_batches([], functions.same, tmp_path / "map") == []
    assert engine.group_by_key([], ["key"], functions.same, tmp_path / "group") == []


def test_parts_of_one_name_are_refused(engine, inputs, tmp_path):
    with pytest.raises(ValueError, match="would be the same part"):
        engine.map_batches([inputs[0], inputs[0]], functions.same, tmp_path)


def test_an_unknown_column_is_named(engine, inputs, tmp_path):
    with pytest.raises(RuntimeError, match="no column 'nam'; did you mean 'name'"):
        engine.map_batches(inputs, functions.same, tmp_path / "map", columns=["nam"])
    with pytest.raises(ValueError, match="no column 'hsh'; did you mean 'hash'"):
        engine.group_by_key(inputs, ["hsh"], functions.same, tmp_path / "group")


def test_too_little_memory(caplog):
    with pytest.raises(ValueError, match=r"this process and one worker need \d+MB"):
        LocalEngine(1, max_memory=proportional_bytes() + 10**8)
    few = LocalEngine(8, max_memory=proportional_bytes() + 5 * 10**8)
    assert few.workers == 2
    assert few.worker_memory * 2 < 5 * 10**8
    assert "is enough for 2 of 8 workers" in caplog.text

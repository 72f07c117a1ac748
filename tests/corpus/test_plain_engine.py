"""The engine that other tests rely on."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.corpus.plain_engine import PlainEngine


def doubled(tables):
    for table in tables:
        yield table.set_column(0, "n", pc.multiply(table["n"], 2))


def joined(tables):
    for table in tables:
        names = table.group_by("key", use_threads=False).aggregate([("name", "list")])
        yield names


def test_map_batches_keeps_parts_and_skips_what_is_there(tmp_path):
    for name, values in {"b": [3, 4, 5, 6], "a": []}.items():
        table = pa.table({"n": pa.array(values, pa.int64())})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    inputs = [tmp_path / "b.parquet", tmp_path / "a.parquet"]
    parts = PlainEngine().map_batches(inputs, doubled, tmp_path / "out")
    assert [part.name for part in parts] == ["a.parquet", "b.parquet"]
    assert pq.read_table(parts[1])["n"].to_pylist() == [6, 8, 10, 12]
    assert PlainEngine().map_batches(inputs, None, tmp_path / "out") == parts


def test_group_by_key_brings_rows_together_in_order(tmp_path):
    parts = [[(b"b", "y"), (None, "n"), (b"a", "z")], [(b"b", "x"), (b"\xff", "é")]]
    inputs = []
    for index, rows in enumerate(parts):
        key, name = zip(*rows, strict=True)
        inputs.append(tmp_path / f"{index}.parquet")
        table = pa.table({"name": name, "key": pa.array(key, pa.binary())})
        pq.write_table(table, inputs[-1])
    found = PlainEngine().group_by_key(inputs, ["key"], joined, tmp_path / "out")
    assert [part.name for part in found] == ["part-00000.parquet", "part-00001.parquet"]
    rows = pa.concat_tables(map(pq.read_table, found)).to_pylist()
    assert [(row["key"], row["name_list"]) for row in rows] == [
        (None, ["n"]),
        (b"a", ["z"]),
        (b"b", ["x", "y"]),
        (b"\xff", ["é"]),
    ]

"""Pieces written apart and joined to shards."""

from __future__ import annotations

import functools
import tracemalloc

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.shards.placing import Fractions
from massivetext_keras.corpus.shards.write import (
    PLACED,
    decided,
    join_pieces,
    write_dropped,
    write_pieces,
)
from massivetext_keras.reading.read import read


def row(number: int, piece: int) -> dict:
    text = f"Nummer {number}: 一二三"
    return {
        "piece": piece,
        "id": number.to_bytes(16, "big"),
        "text": text,
        "subset": "web",
        "source": "a.txt",
        "position": number,
        "url": None,
        "kind": "text",
        "language": "de",
        "bytes": len(text.encode()),
        "reason": None,
        "value": None,
        "bounds": None,
        "columns": orjson.dumps({"words": 3}),
    }


@pytest.mark.parametrize(
    ("format", "suffix"), [("jsonl", ".jsonl.zst"), ("parquet", ".parquet")]
)
def test_a_shard_of_several_pieces_reads_as_one(tmp_path, format, suffix):
    rows = [row(number, piece=number // 3) for number in range(8)]
    table = pa.Table.from_pylist(rows, PLACED)
    write = functools.partial(write_pieces, folder=tmp_path / "pieces", format=format)
    written = pa.concat_tables(write(iter([table.slice(0, 3), table.slice(3)])))
    assert written["documents"].to_pylist() == [3, 3, 2]
    assert sum(written["bytes"].to_pylist()) == sum(row["bytes"] for row in rows)
    listing = pa.table({"shard": ["web/train-00000-of-00001"], "pieces": [[0, 1, 2]]})
    [joined] = pa.concat_tables(
        join_pieces(
            iter([listing]),
            pieces=tmp_path / "pieces",
            folder=tmp_path / "corpus",
            format=format,
        )
    ).to_pylist()
    assert joined["file"] == f"web/train-00000-of-00001{suffix}"
    path = tmp_path / "corpus" / joined["file"]
    assert joined["size"] == path.stat().st_size
    found = list(read(str(path)))
    assert [document.text for document in found] == [row["text"] for row in rows]
    assert {document.language for document in found} == {"de"}
    if format == "parquet":
        table = pq.read_table(path)
        assert table["id"].to_pylist()[7] == "0" * 31 + "7"
        assert orjson.loads(table["columns"][0].as_py()) == {"words": 3}


def test_what_a_later_stage_dropped_is_listed_by_its_beginning(tmp_path):
    long = row(1, piece=0) | {"text": "x" * 5000, "reason": "deduplication.exact"}
    table = pa.Table.from_pylist([long], PLACED)
    list(write_pieces(iter([table]), folder=tmp_path, format="jsonl"))
    (tmp_path / "00000000").rename(tmp_path / "a.jsonl.zst")
    [document] = read(str(tmp_path / "a.jsonl.zst"))
    assert document.text == "x" * 600


def test_dropped_rows_of_all_parts_are_found_in_little_memory(tmp_path):
    name, count = "x" * 1000, 10_000
    parts = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for number, path in enumerate(parts):
        rows = {
            "subset": [""] * count,
            "source": [name] * count,
            "position": range(number * count, (number + 1) * count),
            "reason": [f"deduplication.{['exact', 'fuzzy'][number]}"] * count,
        }
        pq.write_table(pa.table(rows), path)
    tracemalloc.start()
    write_dropped(parts, tmp_path / "dropped.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # names alone are 20 MB
    places = [("", 5), ("", 19_999), ("", 20_000), ("web", 5)]
    asked = [
        row(place, piece=0) | {"subset": subset, "source": name}
        for subset, place in places
    ]
    table = pa.Table.from_pylist(asked, PLACED)
    table, sides = decided(table, tmp_path / "dropped.npy", Fractions())
    reasons = ["deduplication.exact", "deduplication.fuzzy", None, None]
    assert table["reason"].to_pylist() == reasons
    assert sides.tolist() == ["dropped", "dropped", "train", "train"]

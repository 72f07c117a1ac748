"""Pieces written apart and joined to shards."""

from __future__ import annotations

import functools

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massivetext_keras.corpus.shards.write import PLACED, join_pieces, write_pieces
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

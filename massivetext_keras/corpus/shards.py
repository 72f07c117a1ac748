"""The last stage: documents that were kept become shards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
import zstandard

from massivetext_keras.corpus.placing import SIDES, Fractions, Plan, bins
from massivetext_keras.corpus.report_data import ReportData
from massivetext_keras.corpus.rows import id_array
from massivetext_keras.files import file_hash, replacing_file

SUFFIXES = {"jsonl": ".jsonl.zst", "parquet": ".parquet"}
SIZES = pa.schema(
    [
        ("subset", pa.string()),
        ("side", pa.string()),
        ("bin", pa.int32()),
        ("documents", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
PLACED = pa.schema(
    [
        ("piece", pa.int32()),
        ("id", pa.binary(16)),
        ("text", pa.string()),
        ("subset", pa.string()),
        ("source", pa.string()),
        ("position", pa.int64()),
        ("url", pa.string()),
        ("kind", pa.string()),
        ("language", pa.string()),
        ("columns", pa.binary()),
    ]
)
WRITTEN = pa.schema(
    [
        ("piece", pa.int32()),
        ("documents", pa.int64()),
        ("bytes", pa.int64()),
        ("report", pa.binary()),  # of its documents: JSON of `ReportData`
    ]
)
JOINED = pa.schema([("file", pa.string()), ("size", pa.int64()), ("hash", pa.string())])
REPORT = -1  # in place of the number of a piece
DROPPED = [("key", "S16"), ("reason", "S32")]
NOT_TAKEN = b"mixture.share"
_LEVEL = 6  # of zstd
_ROWS = 1024  # of a row group of Parquet
_COMPRESSION = {"compression": "zstd", "compression_level": _LEVEL}


def sizes(
    tables: Iterator[pa.Table], *, dropped: Path, fractions: Fractions
) -> Iterator[pa.Table]:
    """Documents and bytes in each bin of each subset and side, for a `Plan`."""
    for table in tables:
        table, sides, _ = _divide(table, dropped, fractions)
        numbers = id_array(table["id"])
        found = pa.table(
            {
                "subset": table["subset"],
                "side": pa.array(np.array(SIDES)[sides], pa.string()),
                "bin": pa.array(bins(numbers), pa.int32()),
                "bytes": table["bytes"],
            }
        )
        found = found.group_by(["subset", "side", "bin"]).aggregate(
            [("bytes", "count"), ("bytes", "sum")]
        )
        found = found.rename_columns(["subset", "side", "bin", "documents", "bytes"])
        yield found.cast(SIZES)


def place(
    tables: Iterator[pa.Table], *, dropped: Path, fractions: Fractions, plan: Plan
) -> Iterator[pa.Table]:
    """Rows of `CLEANED` -> those of `PLACED`, each with the number of its piece.

    A last row, of piece `REPORT`, has the report of the documents that are not kept.
    """
    report = ReportData()
    for table in tables:
        table, sides, others = _divide(table, dropped, fractions)
        report.add(others.drop_columns(["bands"]))
        found = bins(id_array(table["id"]))
        pieces = np.empty(len(table), np.int32)
        for index, subset in enumerate(table["subset"].to_pylist()):
            pieces[index] = plan.numbers[subset, SIDES[sides[index]]][found[index]]
        yield table.add_column(0, "piece", pa.array(pieces)).select(PLACED.names)
    row = {"piece": REPORT, "columns": orjson.dumps(report.to_dict())}
    yield pa.Table.from_pylist([row], PLACED)


def write_pieces(
    tables: Iterator[pa.Table], *, folder: Path, format: str
) -> Iterator[pa.Table]:
    """Groups of one piece each -> files, and a row of `WRITTEN` for each."""
    yield WRITTEN.empty_table()
    for table in tables:
        for number in pc.unique(table["piece"]).to_pylist():
            piece = table.filter(pc.equal(table["piece"], number))
            if number == REPORT:
                reports = piece["columns"].to_pylist()
                rows = [{"piece": number, "report": report} for report in reports]
            else:
                rows = [{"piece": number, **_write(piece, folder, number, format)}]
            yield pa.Table.from_pylist(rows, WRITTEN)


def _write(piece: pa.Table, folder: Path, number: int, format: str) -> dict:
    with replacing_file(_piece(folder, number)) as draft:
        {"jsonl": _write_jsonl, "parquet": _write_parquet}[format](piece, draft)
    lengths, report = pc.binary_length(piece["text"].cast(pa.binary())), ReportData()
    report.add(
        piece.drop_columns(["piece"])
        .append_column("bytes", lengths)
        .append_column("reason", pa.nulls(len(piece), pa.string()))
    )
    return {
        "documents": len(piece),
        "bytes": pc.sum(lengths).as_py(),
        "report": orjson.dumps(report.to_dict()),
    }


def _piece(folder: Path, number: int) -> Path:
    return Path(folder) / f"{number:08}"


def join_pieces(
    tables: Iterator[pa.Table], *, pieces: Path, folder: Path, format: str
) -> Iterator[pa.Table]:
    """Files of pieces -> shards, and a row of `JOINED` for each.

    Args:
        tables: of one column, `pieces`: the numbers that a shard has, in order; and
            `shard`, its name.
        pieces: folder of the pieces.
        folder: of the corpus.
        format: of the shards.
    """
    yield JOINED.empty_table()
    join = {"jsonl": _join_bytes, "parquet": _join_parquet}[format]
    for table in tables:
        for row in table.to_pylist():
            file = row["shard"] + SUFFIXES[format]
            path = Path(folder) / file
            with replacing_file(path) as draft:
                join([_piece(pieces, number) for number in row["pieces"]], draft)
            found = {"size": path.stat().st_size, "hash": file_hash(path)}
            yield pa.Table.from_pylist([{"file": file, **found}], JOINED)


def _join_bytes(pieces: list[Path], path: Path) -> None:
    """Frames of zstd, one after another, are one stream."""
    with open(path, "wb") as file:
        for piece in pieces:
            with open(piece, "rb") as part:
                shutil.copyfileobj(part, file)


def _join_parquet(pieces: list[Path], path: Path) -> None:
    schema = pq.read_schema(pieces[0])
    with pq.ParquetWriter(path, schema, **_COMPRESSION) as writer:
        for piece in pieces:
            for batch in pq.ParquetFile(piece).iter_batches(_ROWS):
                writer.write_batch(batch)


def _divide(
    table: pa.Table, dropped: Path, fractions: Fractions
) -> tuple[pa.Table, np.ndarray, pa.Table]:
    """The rows that are kept, their sides, and the others with their reasons."""
    ids = id_array(table["id"])
    why = _reasons(table, dropped)
    why[~fractions.taken(ids, table["subset"].to_pylist()) & (why == b"")] = NOT_TAKEN
    own = pa.array([reason.decode() or None for reason in why], pa.string())
    reason = pc.coalesce(table["reason"], own)
    table = table.set_column(table.column_names.index("reason"), "reason", reason)
    kept = pc.is_null(reason)
    sides = fractions.sides(ids[kept.to_numpy()])
    return table.filter(kept), sides, table.filter(pc.invert(kept))


def row_keys(table: pa.Table) -> np.ndarray:
    """What tells a row from all others, S16 [rows]: subset, source and position."""
    rows = zip(
        table["subset"].to_pylist(),
        table["source"].to_pylist(),
        table["position"].to_pylist(),
        strict=True,
    )
    keys = [
        xxhash.xxh3_128_digest(f"{subset}\0{source}\0{position}".encode())
        for subset, source, position in rows
    ]
    return np.array(keys, "S16")


def write_dropped(verdicts: list[Path], path: Path) -> None:
    """Writes which rows the search for duplicates dropped and why, sorted by key.

    Workers map the file into memory, so that it may be larger than what they have.
    """
    columns = ["subset", "source", "position", "reason"]
    tables = [pq.read_table(part, columns=columns) for part in verdicts]
    dropped = np.zeros(sum(map(len, tables)), DROPPED)
    if tables:
        table = pa.concat_tables(tables)
        dropped["key"] = row_keys(table)
        dropped["reason"] = np.array(table["reason"].to_pylist(), "S")
    with replacing_file(path) as draft, open(draft, "wb") as file:
        np.save(file, dropped[np.argsort(dropped["key"])])


def _reasons(table: pa.Table, path: Path) -> np.ndarray:
    """S32 [rows]: why the search for duplicates dropped a row, or nothing."""
    dropped, keys = np.load(path, mmap_mode="r"), row_keys(table)
    if not len(dropped):
        return np.zeros(len(keys), "S32")
    at = np.minimum(np.searchsorted(dropped["key"], keys), len(dropped) - 1)
    return np.where(dropped["key"][at] == keys, dropped["reason"][at], b"")


def _write_jsonl(shard: pa.Table, path: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with open(path, "wb") as file, compressor.stream_writer(file) as stream:
        for record in _records(shard):
            stream.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))


def _write_parquet(shard: pa.Table, path: Path) -> None:
    columns = shard.drop_columns(["piece", "id"]).add_column(
        0, "id", pa.array([value.hex() for value in shard["id"].to_pylist()])
    )
    columns = columns.set_column(
        columns.column_names.index("columns"),
        "columns",
        columns["columns"].cast(pa.string()),
    )
    pq.write_table(columns, path, row_group_size=_ROWS, **_COMPRESSION)


def _records(shard: pa.Table) -> Iterator[dict]:
    """Lines of a .jsonl shard: what is not known is left out."""
    for batch in shard.drop_columns(["piece"]).to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            columns = orjson.loads(row.pop("columns") or b"{}")
            row["id"] = row["id"].hex()
            yield {k: v for k, v in (row | columns).items() if v not in (None, "")}

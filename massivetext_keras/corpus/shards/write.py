"""The last stage: documents that were kept become shards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
import zstandard

from massivetext_keras.corpus.cleaning import CLEANED, EXCERPT
from massivetext_keras.corpus.duplicates.rows import id_array
from massivetext_keras.corpus.report.data import ReportData
from massivetext_keras.corpus.shards.placing import SIDES, Fractions, Plan, bins
from massivetext_keras.corpus.shards.plain import from_json, to_json
from massivetext_keras.support.files import file_hash, replacing_file

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
    [("piece", pa.int32()), *(field for field in CLEANED if field.name != "bands")]
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
DROPPED = "dropped"  # the side of documents that are listed, with the reason
NOT_TAKEN = b"mixture.share"
_VERDICT = ["subset", "source", "position", "reason"]
_LEVEL = 6  # of zstd
_LISTED = 1024  # bytes of a line about a document that is not kept, about
_ROWS = 1024  # of a row group of Parquet, or read at once
_PARQUET = {"id": pa.string(), "columns": pa.string()}
_COMPRESSION = {"compression": "zstd", "compression_level": _LEVEL}


def sizes(
    tables: Iterator[pa.Table], *, dropped: Path, fractions: Fractions
) -> Iterator[pa.Table]:
    """Documents and bytes in each bin of each subset and side, for a `Plan`."""
    yield SIZES.empty_table()
    for table in tables:
        table, sides = decided(table, dropped, fractions)
        listed = np.where(sides == DROPPED, _LISTED, table["bytes"].to_numpy())
        found = pa.table(
            {
                "subset": table["subset"],
                "side": pa.array(sides, pa.string()),
                "bin": pa.array(bins(id_array(table["id"])), pa.int32()),
                "bytes": pa.array(listed),
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
    """Rows of `CLEANED` -> those of `PLACED`, each with the number of its piece."""
    yield PLACED.empty_table()
    for table in tables:
        table, sides = decided(table, dropped, fractions)
        places = zip(
            table["subset"].to_pylist(),
            sides.tolist(),
            bins(id_array(table["id"])).tolist(),
            strict=True,
        )
        pieces = [plan.numbers[subset, side][found] for subset, side, found in places]
        column = pa.array(pieces, pa.int32())
        yield table.add_column(0, "piece", column).select(PLACED.names)


def write_pieces(
    tables: Iterator[pa.Table], *, folder: Path, format: str
) -> Iterator[pa.Table]:
    """Groups of one piece each -> files, and a row of `WRITTEN` for each."""
    yield WRITTEN.empty_table()
    write = {"jsonl": _write_jsonl, "parquet": _write_parquet}[format]
    for table in tables:
        for number in pc.unique(table["piece"]).to_pylist():
            piece = table.filter(pc.equal(table["piece"], number))
            piece = piece.drop_columns(["piece"])
            with replacing_file(_piece(folder, number)) as draft:
                write(piece, draft)
            report = ReportData()
            report.add(piece)
            row = {
                "piece": number,
                "documents": len(piece),
                "bytes": pc.sum(piece["bytes"]).as_py(),
                "report": orjson.dumps(report.to_dict()),
            }
            yield pa.Table.from_pylist([row], WRITTEN)


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


def decided(
    table: pa.Table, dropped: Path, fractions: Fractions
) -> tuple[pa.Table, np.ndarray]:
    """The rows with the reasons of all that are not kept; and their sides.

    Args:
        table: with columns id, subset, source, position and reason.
        dropped: file of `write_dropped`.
        fractions: of the documents, for each side.
    """
    ids = id_array(table["id"])
    why = _reasons(table, dropped)
    taken = fractions.taken(ids, table["subset"].to_pylist())
    why[~taken & (why == b"")] = NOT_TAKEN
    own = pa.array([reason.decode() or None for reason in why], pa.string())
    reason = pc.coalesce(table["reason"], own)
    table = table.set_column(table.column_names.index("reason"), "reason", reason)
    sides = np.array(SIDES, object)[fractions.sides(ids)]
    sides[pc.is_valid(reason).to_numpy()] = DROPPED
    return table, sides


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


def write_dropped(verdicts: Sequence[Path], path: Path) -> None:
    """Writes which rows the search for duplicates dropped and why, sorted by key.

    Workers map the file into memory, so that it may be larger than what they have. Here
    a row takes 96 bytes, however long the names of files are.
    """
    count = sum(pq.read_metadata(part).num_rows for part in verdicts)
    dropped, end = np.zeros(count, [("key", "S16"), ("reason", "S32")]), 0
    for part in verdicts:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(_ROWS, columns=_VERDICT):
                rows = dropped[end : end + len(batch)]
                rows["key"] = row_keys(pa.table(batch))
                rows["reason"] = np.array(batch["reason"].to_pylist(), "S")
                end += len(batch)
    with replacing_file(path) as draft, open(draft, "wb") as file:
        np.save(file, dropped[np.argsort(dropped["key"])])


def _reasons(table: pa.Table, path: Path) -> np.ndarray:
    """S32 [rows]: why the search for duplicates dropped a row, or nothing."""
    dropped, keys = np.load(path, mmap_mode="r"), row_keys(table)
    if not len(dropped):
        return np.zeros(len(keys), "S32")
    at = np.minimum(np.searchsorted(dropped["key"], keys), len(dropped) - 1)
    return np.where(dropped["key"][at] == keys, dropped["reason"][at], b"")


def _write_jsonl(piece: pa.Table, path: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with open(path, "wb") as file, compressor.stream_writer(file) as stream:
        for record in _records(piece):
            stream.write(to_json(record) + b"\n")


def _records(piece: pa.Table) -> Iterator[dict]:
    """Lines of a .jsonl shard: but for the text, what is not known is left out."""
    for batch in piece.to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            row |= {"id": row["id"].hex(), "text": _excerpt(row)}
            row |= from_json(row.pop("columns"))
            yield {
                key: value
                for key, value in row.items()
                if key == "text" or value not in (None, "")
            }


def _write_parquet(piece: pa.Table, path: Path) -> None:
    rows = piece.to_pylist()
    for row in rows:
        row |= {"id": row["id"].hex(), "text": _excerpt(row)}
    schema = pa.schema(
        [(name, _PARQUET.get(name, PLACED.field(name).type)) for name in rows[0]]
    )
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, path, row_group_size=_ROWS, **_COMPRESSION)


def _excerpt(row: dict) -> str:
    """The text; its beginning where a later stage than the steps dropped it."""
    return row["text"][: EXCERPT if row["reason"] else None]

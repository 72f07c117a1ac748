"""Parts: Parquet files whose bytes depend on their rows alone, in pieces that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext_keras.support.files import replacing_file
from massivetext_keras.support.values import nearest

# A row group is read at once, so it is small; of constant size, so that the bytes of a
# part depend neither on memory nor on the tables that its rows came in.
GROUP_BYTES = 8 << 20
_GROUP_ROWS = 1 << 16


def row_sizes(table: pa.Table) -> np.ndarray:
    """Bytes of each row in memory, int64 [rows]; a null of fixed width counts.

    >>> row_sizes(pa.table({"n": pa.array([1, 2], pa.int32()), "s": ["abc", None]}))
    array([7, 4])
    """
    sizes = np.zeros(len(table), np.int64)
    for column in table.columns:
        chunks = [_sizes(chunk) for chunk in column.chunks]
        if chunks:
            sizes += np.concatenate(chunks)
    return sizes


def _sizes(array: pa.Array) -> np.ndarray:
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        ends = np.cumsum(_filled(pc.list_value_length(array)))
        total = np.concatenate([[0], np.cumsum(_sizes(pc.list_flatten(array)))])
        return np.diff(total[ends], prepend=0)
    if pa.types.is_struct(kind):
        fields = [_sizes(field) for field in array.flatten()]
        return sum(fields, np.zeros(len(array), np.int64))
    if pa.types.is_null(kind):
        return np.zeros(len(array), np.int64)
    try:
        return np.full(len(array), max(kind.bit_width // 8, 1), np.int64)
    except ValueError:  # strings and bytes, whose width varies
        return _filled(pc.binary_length(array))


def _filled(lengths: pa.Array) -> np.ndarray:
    return pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)


def cut(table: pa.Table, most_bytes: int) -> Iterator[pa.Table]:
    """Tables of about so many bytes, of one row at least; an empty one as it is."""
    ends = np.cumsum(row_sizes(table))
    start = 0
    while start < len(table):
        before = ends[start - 1] if start else 0
        end = int(np.searchsorted(ends, before + most_bytes, "right"))
        end = max(end, start + 1)
        yield table.slice(start, end - start)
        start = end
    if not len(table):
        yield table


def read_tables(
    path: Path, columns: Sequence[str] | None = None, most_bytes: int = 4 << 20
) -> Iterator[pa.Table]:
    """The rows of a part, in tables of about so many bytes; one without rows if none.

    Raises:
        ValueError: the part has no such column; names the nearest one.
    """
    with pq.ParquetFile(path, pre_buffer=False) as file:
        schema = file.schema_arrow
        columns = schema.names if columns is None else list(columns)
        check_columns(path, schema, columns)
        for index in range(file.num_row_groups):
            group = file.read_row_group(index, columns, use_threads=False)
            yield from cut(group.select(columns), most_bytes)
        if not file.num_row_groups:
            yield schema.empty_table().select(columns)


def check_columns(path: Path, schema: pa.Schema, columns: Iterable[str]) -> None:
    """Refuses columns that a part does not have.

    Raises:
        ValueError: names the nearest column.
    """
    known = schema.names
    for name in columns:
        if name not in known:
            raise ValueError(f"{path}: no column {name!r}; {nearest(name, known)}")


def bytes_of(paths: Iterable[Path], columns: Sequence[str] | None = None) -> int:
    """How large columns of parts are in memory, estimated from what the files say."""
    total = 0
    for path in paths:
        metadata = pq.read_metadata(path)
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            for number in range(group.num_columns):
                column = group.column(number)
                # Each value has an offset or a width beside the bytes that are stored.
                if columns is None or column.path_in_schema.split(".")[0] in columns:
                    total += column.total_uncompressed_size + 4 * column.num_values
    return total


def write_part(path: Path, tables: Iterable[pa.Table]) -> None:
    """Writes a part whole or not at all.

    Raises:
        ValueError: there is no table, or tables differ in their columns.
    """
    with replacing_file(path) as draft:
        _write(draft, tables)


def _write(path: Path, tables: Iterable[pa.Table]) -> None:
    writer, waiting, rows, size = None, [], 0, 0
    try:
        for table in tables:
            if writer is None:
                schema = table.schema.remove_metadata()
                # No dictionaries: zstd finds what repeats, and memory stays bounded.
                writer = pq.ParquetWriter(
                    path, schema, compression="zstd", use_dictionary=False
                )
            table = _like(table, schema)
            ends = np.cumsum(row_sizes(table))
            start = 0
            while start < len(table):
                room = GROUP_BYTES - size + (ends[start - 1] if start else 0)
                end = int(np.searchsorted(ends, room, "left")) + 1
                end = min(end, start + _GROUP_ROWS - rows, len(table))
                waiting.append(table.slice(start, end - start))
                size += int(ends[end - 1] - (ends[start - 1] if start else 0))
                rows, start = rows + end - start, end
                if size >= GROUP_BYTES or rows >= _GROUP_ROWS:
                    _write_group(writer, waiting)
                    waiting, rows, size = [], 0, 0
        if writer is None:
            raise ValueError("the function gave no table: give one without rows")
        if waiting:
            _write_group(writer, waiting)
    finally:
        if writer is not None:
            writer.close()


def _like(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return table.replace_schema_metadata(None)
    if table.schema.names != schema.names:
        raise ValueError(
            f"tables of a part differ in columns: {table.schema.names} "
            f"after {schema.names}"
        )
    return table.replace_schema_metadata(None).cast(schema)


def _write_group(writer: pq.ParquetWriter, tables: list[pa.Table]) -> None:
    # In one chunk each: where chunks end, pages would.
    table = pa.concat_tables(tables).combine_chunks()
    writer.write_table(table, row_group_size=len(table))

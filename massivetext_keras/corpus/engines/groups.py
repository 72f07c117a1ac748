"""Rows with equal keys brought together: scattered to buckets, then sorted in each.

DuckDB does not spill what long texts need while it sorts (2.0: 620 MB of documents do
not sort under 400 MB), so a sort never sees more than fits: rows go to buckets by the
hash of their keys, and those of a bucket that is still too large by another hash.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext_keras.corpus.engines.memory import returning_memory
from massivetext_keras.corpus.engines.parts import cut
from massivetext_keras.support.files import replacing_file

_TABLE_BYTES = 4 << 20


def check_keys(schema: pa.Schema, keys: Sequence[str]) -> None:
    """Refuses keys of a type that has no plain equality.

    Raises:
        TypeError: names the column and its type.
    """
    kinds = pa.types
    for name in keys:
        kind = schema.field(name).type
        simple = [kinds.is_integer, kinds.is_boolean, kinds.is_string]
        simple += [kinds.is_large_string, kinds.is_binary, kinds.is_fixed_size_binary]
        if not any(is_kind(kind) for is_kind in simple):
            raise TypeError(
                f"{name!r} is {kind}: keys are integers, bool, strings or bytes"
            )


def scatter(
    tables: Iterator[pa.Table],
    bucket_of: Callable[[pa.Table], np.ndarray],
    buckets: int,
    most_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Rows by bucket: a batch each of buckets 0, 1, ..., again and again."""
    for table in _gathered(tables, most_bytes):
        bucket = bucket_of(table)
        table = table.take(np.argsort(bucket, kind="stable")).combine_chunks()
        ends = np.cumsum(np.bincount(bucket, minlength=buckets))
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            yield _one_batch(table.slice(start, end - start))


def hashed(
    keys: Sequence[str], buckets: int, table: pa.Table, again: bool = False
) -> np.ndarray:
    """The bucket of every row, the same for rows with the same keys; int32 [rows].

    Args:
        keys: columns.
        buckets: how many there are.
        table: the rows.
        again: divide the rows of one bucket anew.
    """
    hashed = ", ".join([*map(_name, keys), *(["1"] if again else [])])
    number = f"(hash({hashed}) % {buckets})::INT"
    return _query(table, f"select {number} as n from rows")["n"].to_numpy()


def write_batches(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes an Arrow file whole or not at all; its batches are found by number."""
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with replacing_file(path) as draft:
        batches = iter(batches)
        first = next(batches)
        with (
            pa.OSFile(str(draft), "wb") as file,
            pa.ipc.new_file(file, first.schema, options=options) as writer,
        ):
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)


def read_all(reads: Sequence[Callable[[], Iterator[pa.Table]]]) -> Iterator[pa.Table]:
    """The rows of several parts, one after another."""
    for read in reads:
        yield from read()


def read_bucket(
    paths: Sequence[Path], bucket: int, buckets: int
) -> Iterator[pa.RecordBatch]:
    """The rows of one bucket, from files of what `scatter` gave."""
    options = pa.ipc.IpcReadOptions(use_threads=False)
    for path in paths:
        with pa.OSFile(str(path)) as source:
            file = pa.ipc.open_file(source, options=options)
            for index in range(bucket, file.num_record_batches, buckets):
                yield file.get_batch(index)


def sorted_groups(
    read: Callable[[], Iterator[pa.Table | pa.RecordBatch]],
    keys: Sequence[str],
    columns: Sequence[str],
    memory: int,
    folder: Path,
) -> Iterator[pa.Table]:
    """Tables of whole groups, sorted by the keys and then by the other columns.

    Args:
        read: gives the rows, in any order, each time it is called.
        keys: columns that rows of a group agree in.
        columns: of the tables, in order.
        memory: bytes to sort with.
        folder: for what DuckDB spills.
    """
    order = [*keys, *(name for name in columns if name not in keys)]
    with returning_memory():
        for run in _runs(read, keys, order, memory, folder):
            tables = (table.select(list(columns)) for table in run)
            yield from whole_groups(tables, keys)


def read_sorted(
    read: Callable[[], Iterator[pa.Table]],
    schema: pa.Schema,
    keys: Sequence[str],
    columns: Sequence[str],
) -> Iterator[pa.Table]:
    """What `sorted_groups` gives, of rows that are sorted, in the types of a schema."""
    kinds = pa.schema([schema.field(name) for name in columns])
    tables = (table.cast(kinds) for table in read())
    return whole_groups(tables, keys)


def _runs(read, keys, order, memory, folder) -> Iterator[Iterator[pa.Table]]:
    """The rows in order; in several runs, each of whole groups, if they are many."""
    most, held, size, rows = memory // 6, [], 0, 0
    for table in map(pa.table, read()):
        schema, size, rows = table.schema, size + table.nbytes, rows + len(table)
        held.append(table)
        if size > most:
            held.clear()
    each = max(rows * _TABLE_BYTES // (size + 1), 1)
    sort = functools.partial(
        _sort, order=order, each=each, memory=memory, folder=folder
    )
    if size <= most:
        yield sort(pa.concat_tables(held))
        return
    buckets = -(-2 * size // most)
    bucket_of = functools.partial(hashed, keys, buckets, again=True)
    path = folder / f"divided.{os.getpid()}.arrow"
    try:
        tables = map(pa.table, read())
        write_batches(path, scatter(tables, bucket_of, buckets, memory // 12))
        for bucket in range(buckets):
            batches = read_bucket([path], bucket, buckets)
            yield sort(pa.RecordBatchReader.from_batches(schema, batches))
    finally:
        path.unlink(missing_ok=True)


def _sort(rows, order, each, memory, folder) -> Iterator[pa.Table]:
    """Sorted rows, in tables of about `each`, of the types they had."""
    schema = rows.schema
    connection = _connection()
    connection.execute(f"set memory_limit = '{max(memory * 2 // 5, 16 << 20)}B'")
    connection.execute(f"set temp_directory = {_quoted(str(folder))}")
    by = ", ".join(f"{_name(name)} asc nulls first" for name in order)
    found = connection.from_arrow(rows).query("rows", f"from rows order by {by}")
    del rows
    empty = True
    for batch in found.to_arrow_reader(min(each, 1 << 16)):
        empty = False
        yield from cut(pa.Table.from_batches([batch]).cast(schema), 4 * _TABLE_BYTES)
    if empty:
        yield schema.empty_table()


def whole_groups(tables: Iterator[pa.Table], keys: Sequence[str]) -> Iterator[pa.Table]:
    """Sorted tables cut anew, so that no group is in two of them."""
    waiting: list[pa.Table] = []  # ends with the rows of a group that may go on
    for table in tables:
        if waiting and not len(table):
            continue
        start = _last_group(table, keys)
        if waiting and start == 0:
            ends = [waiting[-1].slice(len(waiting[-1]) - 1), table.slice(0, 1)]
            if _last_group(pa.concat_tables(ends), keys) == 0:
                waiting.append(table)
                continue
        done = pa.concat_tables([*waiting, table.slice(0, start)])
        if len(done):
            yield done
        waiting = [table.slice(start)]
    yield pa.concat_tables(waiting)


def _last_group(table: pa.Table, keys: Sequence[str]) -> int:
    """The row that the last group of a sorted table begins with."""
    if not len(table):
        return 0
    same = np.ones(len(table), bool)
    for name in keys:
        column, last = table[name], table[name][len(table) - 1]
        equal = pc.equal(column, last) if last.is_valid else pc.is_null(column)
        same &= pc.fill_null(equal, False).to_numpy()
    different = np.flatnonzero(~same)
    return int(different[-1]) + 1 if len(different) else 0


def _gathered(tables: Iterator[pa.Table], most_bytes: int) -> Iterator[pa.Table]:
    """Tables put together to about so many bytes."""
    waiting, size = [], 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size >= most_bytes:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _query(table: pa.Table, sql: str) -> pa.Table:
    return _connection().from_arrow(table).query("rows", sql).to_arrow_table()


@functools.cache
def _connection():
    """DuckDB in this process, with the one thread that a worker has."""
    import duckdb

    settings = {"threads": 1, "async_threads": 1, "preserve_insertion_order": False}
    connection = duckdb.connect(config=settings)
    connection.execute("set enable_progress_bar = false")
    return connection


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""An engine in one process and in memory, to test stages and other engines with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from massivetext_keras.corpus.engines import Function


class PlainEngine:
    """Does what `Engine` says in the plainest way.

    Args:
        rows: a function gets tables of this many rows, or the next group.
        groups_per_part: of the output of `group_by_key`.
    """

    def __init__(self, rows: int = 3, groups_per_part: int = 2):
        self.rows = rows
        self.groups_per_part = groups_per_part

    def map_batches(
        self,
        inputs: Sequence[Path],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        for path in map(Path, inputs):
            table = pq.read_table(path, columns=columns and list(columns))
            starts = range(0, max(len(table), 1), self.rows)
            tables = (table.slice(start, self.rows) for start in starts)
            self._write(function, tables, Path(output) / path.name)
        return sorted(Path(output).glob("*.parquet"))

    def group_by_key(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        if not inputs:
            return []
        table = pa.concat_tables(pq.read_table(path) for path in inputs)
        table = table.select(list(columns or table.column_names))
        others = [name for name in table.column_names if name not in keys]
        rows = sorted(
            table.to_pylist(),
            key=lambda row: [_order(row[name]) for name in [*keys, *others]],
        )
        groups = [
            list(group)
            for _, group in itertools.groupby(
                rows, key=lambda row: [_order(row[name]) for name in keys]
            )
        ]
        for part in range(max(math.ceil(len(groups) / self.groups_per_part), 1)):
            start = part * self.groups_per_part
            tables = (
                pa.Table.from_pylist(group, schema=table.schema)
                for group in groups[start : start + self.groups_per_part] or [[]]
            )
            self._write(function, tables, Path(output) / f"part-{part:05}.parquet")
        return sorted(Path(output).glob("*.parquet"))

    def _write(self, function, tables, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            pq.write_table(pa.concat_tables(function(iter(tables))), path)


def _order(value) -> tuple:
    """What a value is sorted by: null first, text by its UTF-8, NaN last."""
    if value is None:
        return (0,)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, list):
        return (1, [_order(one) for one in value])
    if isinstance(value, float):
        return (1, math.isnan(value), 0.0 if math.isnan(value) else value)
    return (1, value)

"""What engines share: both primitives as tasks, which an engine runs somewhere."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from massivetext_keras.corpus.engines import Function, groups, parts
from massivetext_keras.corpus.engines.tasks import Task
from massivetext_keras.support.files import write_json

Read = Callable[[], Iterator[pa.Table]]

_TABLE_BYTES = 4 << 20


class TaskEngine:
    """An `Engine` that does tasks.

    Args:
        free: bytes of rows that a worker may hold.
    """

    def __init__(self, free: int):
        self.free = free

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends what the engine has started."""
        raise NotImplementedError

    def run(self, tasks: Sequence[Task]) -> None:
        """Does the tasks whose output is not there; an engine has its own way."""
        raise NotImplementedError

    def groups(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        columns: Sequence[str],
        buckets: int,
        folder: Path,
    ) -> list[Read]:
        """What gives sorted tables, each of some groups; of all groups together.

        Args:
            inputs, keys, columns: as of `group_by_key`.
            buckets: how many parts to divide the rows into.
            folder: for what lies between; what is finished there is not done again.
        """
        raise NotImplementedError

    def map_batches(
        self,
        inputs: Sequence[Path],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        """Runs a function over each part on its own; see `Engine`.

        Raises:
            ValueError: parts of the same name.
            StageError: a part cannot be made.
            OSError: of reading or writing.
        """
        output = Path(output).absolute()
        inputs = sorted(_absolute(inputs), key=lambda path: path.name)
        for one, other in zip(inputs, inputs[1:], strict=False):
            if one.name == other.name:
                raise ValueError(f"{one} and {other} would be the same part")
        outputs = [output / path.name for path in inputs]
        reads = (self.reading(path, columns) for path in inputs)
        self.run(
            [
                Task(read, function, parts.write_part, path)
                for read, path in zip(reads, outputs, strict=True)
            ]
        )
        return outputs

    def group_by_key(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        function: Function,
        output: Path,
        columns: Sequence[str] | None = None,
    ) -> list[Path]:
        """Runs a function over rows that agree in their keys; see `Engine`.

        Raises:
            TypeError: a key is neither an integer nor bool, string or bytes.
            ValueError: there is no such column.
            StageError: a part cannot be made.
            OSError: of reading or writing.
        """
        output, inputs = Path(output).absolute(), sorted(_absolute(inputs))
        done, rows = output / "_complete", output / "_rows"
        if inputs and not done.exists():
            schema = pq.read_schema(inputs[0])
            columns = list(columns or schema.names)
            parts.check_columns(inputs[0], schema, [*columns, *keys])
            groups.check_keys(schema, keys)
            columns += [name for name in keys if name not in columns]
            buckets = self._buckets(inputs, columns, rows / "plan.json")
            reads = self.groups(inputs, keys, columns, buckets, rows)
            self.run(
                [
                    Task(
                        read,
                        function,
                        parts.write_part,
                        output / f"part-{number:05}.parquet",
                    )
                    for number, read in enumerate(reads)
                ]
            )
            write_json(done, {"parts": len(reads)})
        shutil.rmtree(rows, ignore_errors=True)
        return sorted(output.glob("*.parquet"))

    def reading(self, path: Path, columns: Sequence[str] | None) -> Read:
        """What gives the tables of a part."""
        most = min(_TABLE_BYTES, self.free // 24)
        return functools.partial(parts.read_tables, path, columns, most)

    def _buckets(self, inputs, columns, plan: Path) -> int:
        """How many parts groups are divided into; as a run before has decided."""
        if plan.exists():
            return json.loads(plan.read_text())["buckets"]
        # A sort takes twice what it sorts; the rest is for buckets that are uneven.
        buckets = max(-(-parts.bytes_of(inputs, columns) * 8 // self.free), 1)
        write_json(plan, {"buckets": buckets})
        return buckets


def _absolute(paths: Sequence[Path]) -> list[Path]:
    # Relative paths would be others where a worker runs.
    return [Path(path).absolute() for path in paths]

"""The engine of one machine: processes, bounded memory, work that can go on."""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from massivetext_keras.corpus.engines import Function, groups, parts
from massivetext_keras.corpus.engines.memory import (
    cores,
    parse_size,
    proportional_bytes,
)
from massivetext_keras.corpus.engines.pool import Pool
from massivetext_keras.corpus.engines.progress import Progress
from massivetext_keras.corpus.engines.tasks import Task
from massivetext_keras.files import write_json

_LEAST_WORKER = 160 * 10**6  # bytes that a worker needs to do anything
_SERVER = 60 * 10**6  # bytes of the process that forks workers
_IDLE = 60 * 10**6  # bytes that a worker has before it holds any row
_TABLE_BYTES = 4 << 20

logger = logging.getLogger(__name__)


class LocalEngine:
    """Runs stages in processes of this machine.

    Args:
        workers: processes that work at the same time; all cores if None.
        max_memory: of all processes together, this one too; bytes, or such as "1GB".
        time_limit: seconds that a document may take before it is quarantined.
        progress: is called a few times a second with a `Progress`.

    Raises:
        ValueError: memory that is not enough for one worker.
    """

    def __init__(
        self,
        workers: int | None = None,
        max_memory: int | str = "1GB",
        time_limit: float = 60.0,
        progress: Callable[[Progress], Any] | None = None,
    ):
        self.max_memory = parse_size(max_memory)
        self.progress = progress
        wanted = workers or cores()
        here = proportional_bytes() + _SERVER
        self.workers = min(wanted, (self.max_memory - here) // _LEAST_WORKER)
        if self.workers < 1:
            raise ValueError(
                f"max_memory={max_memory} is not enough: this process and one worker "
                f"need {-(-(here + _LEAST_WORKER) // 10**6)}MB"
            )
        if self.workers < wanted:
            logger.warning(
                "max_memory=%s is enough for %d of %d workers",
                max_memory,
                self.workers,
                wanted,
            )
        self.worker_memory = (self.max_memory - here) // self.workers
        self._pool = Pool(self.workers, self.worker_memory, time_limit)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; they start anew if the engine is used again."""
        self._pool.close()

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
            StageError: the function fails for more than some documents.
            OSError: of reading or writing.
        """
        output = Path(output)
        inputs = sorted(map(Path, inputs), key=lambda path: path.name)
        for one, other in zip(inputs, inputs[1:], strict=False):
            if one.name == other.name:
                raise ValueError(f"{one} and {other} would be the same part")
        self._run(
            [
                Task(
                    functools.partial(parts.read_tables, path, columns, self._most()),
                    function,
                    parts.write_part,
                    output / path.name,
                )
                for path in inputs
            ]
        )
        return [output / path.name for path in inputs]

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
            StageError: the function fails for more than some documents.
            OSError: of reading or writing.
        """
        output, inputs = Path(output), sorted(map(Path, inputs))
        done, rows = output / "_complete", output / "_rows"
        if inputs and not done.exists():
            schema = pq.read_schema(inputs[0])
            columns = list(columns or schema.names)
            groups.check_keys(schema, keys)
            buckets = self._buckets(inputs, columns, rows / "plan.json")
            read = self._scattered(inputs, keys, columns, buckets, rows)
            gather = [
                functools.partial(
                    groups.sorted_groups, one, keys, columns, self._free(), rows
                )
                for one in read
            ]
            self._run(
                [
                    Task(
                        one,
                        function,
                        parts.write_part,
                        output / f"part-{number:05}.parquet",
                    )
                    for number, one in enumerate(gather)
                ]
            )
            write_json(done, {"parts": buckets})
        shutil.rmtree(rows, ignore_errors=True)
        return sorted(output.glob("*.parquet"))

    def _buckets(self, inputs, columns, plan: Path) -> int:
        """How many buckets rows are scattered to; as a run before has decided."""
        if plan.exists():
            return json.loads(plan.read_text())["buckets"]
        size = parts.bytes_of(inputs, columns)
        buckets = max(-(-size * 8 // self._free()), 1)
        write_json(plan, {"buckets": buckets})
        return buckets

    def _scattered(self, inputs, keys, columns, buckets, rows: Path) -> list[Callable]:
        """What gives the rows of each bucket."""
        most = self._most()
        read = [
            functools.partial(parts.read_tables, path, columns, most) for path in inputs
        ]
        if buckets == 1:
            return [functools.partial(groups.read_all, read)]
        scatter = functools.partial(
            groups.scatter, keys=keys, buckets=buckets, most_bytes=self._free() // 6
        )
        files = [rows / f"{number:05}.arrow" for number in range(len(inputs))]
        self._run(
            [
                Task(one, scatter, groups.write_batches, file)
                for one, file in zip(read, files, strict=True)
            ]
        )
        return [
            functools.partial(groups.read_bucket, files, bucket, buckets)
            for bucket in range(buckets)
        ]

    def _run(self, work: list[Task]) -> None:
        self._pool.run(work, self.progress)

    def _most(self) -> int:
        """Bytes of a table that is read."""
        return min(_TABLE_BYTES, self._free() // 24)

    def _free(self) -> int:
        """Bytes that a worker may fill with rows."""
        return self.worker_memory - _IDLE

"""The engine of one machine: processes, bounded memory, work that can go on."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from massivetext_keras.corpus.engines import groups
from massivetext_keras.corpus.engines.base import Read, TaskEngine
from massivetext_keras.corpus.engines.memory import proportional_bytes
from massivetext_keras.corpus.engines.pool import Pool
from massivetext_keras.corpus.engines.progress import Progress
from massivetext_keras.corpus.engines.tasks import Task
from massivetext_keras.support.arguments import Positive, PositiveAmount
from massivetext_keras.support.machine import cores, free_bytes
from massivetext_keras.support.values import parse_size

LEAST_WORKER = 200 * 10**6  # bytes that a worker needs to do anything
LIBRARIES = 50 * 10**6  # bytes of these that are code, which the system shares
IDLE_WORKER = 50 * 10**6  # bytes that it holds itself before it has any row
_SERVER = 60 * 10**6  # bytes of the process that forks workers

logger = logging.getLogger(__name__)


class LocalEngine(TaskEngine):
    """Runs stages in processes of this machine.

    Of `max_memory`, what this process holds is set aside, and 60 MB for the process
    that forks workers; the rest is divided among workers. A worker that holds more
    than its share is ended, and the document that it was at is quarantined.

    Args:
        workers: processes that work at the same time; all cores if None.
        max_memory: of all processes together, this one too; bytes, or such as "1GB".
            None: half of what is free, beside what this process holds.
        time_limit: seconds that a document may take before it is quarantined.
        progress: is called a few times a second with a `Progress`.

    Raises:
        ValueError: memory that is not enough for one worker; a number that is not
            positive.
    """

    def __init__(
        self,
        workers: Positive | None = None,
        max_memory: int | str | None = None,
        time_limit: PositiveAmount = 60.0,
        progress: Callable[[Progress], Any] | None = None,
    ):
        if workers is not None and workers < 1:
            raise ValueError(f"workers: {workers} is not 1 or more")
        if not time_limit > 0:
            raise ValueError(f"time_limit: {time_limit} seconds are not more than 0")
        wanted, here = workers or cores(), proportional_bytes() + _SERVER
        if max_memory is None:
            max_memory = here + free_bytes() // 2
        most = parse_size(max_memory, "max_memory")
        self.workers = min(wanted, (most - here) // LEAST_WORKER)
        if self.workers < 1:
            raise ValueError(
                f"max_memory={max_memory} is not enough: this process and one worker "
                f"need {-(-(here + LEAST_WORKER) // 10**6)}MB"
            )
        if self.workers < wanted:
            logger.warning(
                "max_memory=%s is enough for %d of %d workers",
                max_memory,
                self.workers,
                wanted,
            )
        self.worker_memory = (most - here) // self.workers - LIBRARIES
        super().__init__(free=self.worker_memory - IDLE_WORKER)
        self.progress = progress
        self._pool = Pool(self.workers, self.worker_memory, time_limit)

    def close(self) -> None:
        """Ends all processes; they start anew if the engine is used again."""
        self._pool.close()

    def run(self, tasks: Sequence[Task]) -> None:
        """Does the tasks whose output is not there."""
        self._pool.run(tasks, self.progress)

    def groups(
        self,
        inputs: Sequence[Path],
        keys: Sequence[str],
        columns: Sequence[str],
        buckets: int,
        folder: Path,
    ) -> list[Read]:
        """Scatters rows to buckets, which are sorted as they are read."""
        reads = [self.reading(path, columns) for path in inputs]
        if buckets == 1:
            rows = [functools.partial(groups.read_all, reads)]
        else:
            files = [folder / f"{number:05}.arrow" for number in range(len(inputs))]
            scatter = functools.partial(
                groups.scatter,
                bucket_of=functools.partial(groups.hashed, keys, buckets),
                buckets=buckets,
                most_bytes=self.free // 12,
            )
            self.run(
                [
                    Task(read, scatter, groups.write_batches, file)
                    for read, file in zip(reads, files, strict=True)
                ]
            )
            rows = [
                functools.partial(groups.read_bucket, files, bucket, buckets)
                for bucket in range(buckets)
            ]
        return [
            functools.partial(
                groups.sorted_groups, one, keys, columns, self.free, folder
            )
            for one in rows
        ]

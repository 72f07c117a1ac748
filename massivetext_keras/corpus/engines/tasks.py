"""One part's work, as it runs in a worker of any engine."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.engines.guard import Counts, Guard, Memory, Name
from massivetext_keras.support.files import write_json

_FULL = os.strerror(errno.ENOSPC)  # what DuckDB says of it
_DUCKDB_MEMORY = "OutOfMemoryException"  # not named by its type: that is a slow import


class StageError(RuntimeError):
    """A stage cannot go on. What it has finished stays, and is not done again."""


@dataclass(frozen=True)
class Task:
    """What makes one file of a stage.

    Args:
        read: gives the tables of the input.
        function: of the stage.
        write: takes the output and what the function gives, and writes it whole.
        output: the file.
    """

    read: Callable[[], Iterator[pa.Table]]
    function: Callable[[Iterator[pa.Table]], Iterable[Any]]
    write: Callable[[Path, Iterable[Any]], None]
    output: Path

    @property
    def quarantine(self) -> Path:
        """The file with the documents that are left out of this part."""
        return self.output.parent / "_quarantine" / f"{self.output.stem}.json"


@dataclass
class Attempt:
    """A task and what earlier attempts at it have taught.

    Args:
        task: to do.
        quarantine: documents to leave out, with the reason.
        suspects: documents to work on alone.
        wasted: attempts that ended without telling of a document.
        deaths: processes that ended in an attempt.
    """

    task: Task
    quarantine: dict[Name, str] = field(default_factory=dict)
    suspects: set[Name] = field(default_factory=set)
    wasted: int = 0
    deaths: int = 0

    @classmethod
    def at(cls, task: Task) -> Attempt:
        """With the quarantine that was written by a run that was stopped."""
        try:
            rows = json.loads(task.quarantine.read_text())["documents"]
        except FileNotFoundError:
            rows = []
        known = {Name(*map(row.get, Name._fields)): row["reason"] for row in rows}
        return cls(task, known)

    def learn(self, names: list[Name], reason: str) -> bool:
        """Decides what an attempt that ended at some documents says of them.

        Returns:
            Whether another attempt will go differently.
        """
        new = [name for name in names if name not in self.quarantine]
        # What a process held before may be why there was too little for one document.
        sure = reason != guard.MEMORY_LIMIT or set(new) <= self.suspects
        if len(new) == 1 and sure:
            self.quarantine[new[0]] = reason
            rows = [
                {**name._asdict(), "reason": why}
                for name, why in sorted(self.quarantine.items())
            ]
            write_json(self.task.quarantine, {"documents": rows})
            return True
        if set(new) <= self.suspects:
            self.wasted += 1
            return False
        self.suspects.update(new)
        return True


def run(attempt: Attempt, memory: Memory) -> Counts:
    """Does a task, in this process.

    Raises:
        OSError: of reading or writing.
        Exception: what the function raised, if no document is the cause.
    """
    task, failures = attempt.task, 0
    while True:
        held = Guard(memory, attempt.quarantine, attempt.suspects)
        guard.use(held)
        memory.count(Counts())
        memory.end()
        try:
            rows = task.function(_between(task.read()))
            task.write(task.output, _between(rows))
            return held.counts
        except OSError:
            raise
        except Exception as error:
            names = memory.names
            if not names or not attempt.learn(names, guard.reason_of(error)):
                raise
            failures += 1
            if failures > guard.MOST_FAILURES:
                raise
        finally:
            memory.end()
            guard.use(Guard())


def _between(tables: Iterable[Any]) -> Iterator[Any]:
    """Tables as they come; what the engine does with them is of no document."""
    for table in tables:
        guard.end()
        yield table
        guard.end()


def explain(error: BaseException, output: Path) -> BaseException:
    """What to raise, and say, for what went wrong with a part."""
    full = errno.ENOSPC, errno.EDQUOT
    if getattr(error, "errno", None) in full or _FULL in str(error):
        text = (
            f"{output}: the disk is full; free space and give the same command again:"
            " what is finished stays"
        )
        return StageError(text)
    if isinstance(error, MemoryError) or type(error).__name__ == _DUCKDB_MEMORY:
        return StageError(
            f"{output}: a worker may not hold as much as this needs: give more memory,"
            " or fewer workers"
        )
    if isinstance(error, OSError | StageError):
        return error
    explained = StageError(f"{output}: {guard.reason_of(error)}")
    with contextlib.suppress(AttributeError):
        explained.__notes__ = error.__notes__
    return explained

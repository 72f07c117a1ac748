"""Workers that share the tasks of a stage, and are watched while they work."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import connection
from pathlib import Path

from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.engines.guard import Counts
from massivetext_keras.corpus.engines.memory import own_bytes
from massivetext_keras.corpus.engines.progress import Progress, Report
from massivetext_keras.corpus.engines.tasks import Attempt, StageError, Task, explain
from massivetext_keras.corpus.engines.workers import Worker, WorkerServer

_MOST_WASTED = 3  # attempts at a part that end without telling of a document
_TICK = 0.1  # seconds between looks at workers

logger = logging.getLogger(__name__)


class Pool:
    """Processes that do tasks.

    Args:
        workers: at most so many at the same time.
        memory: bytes that each may hold.
        time_limit: seconds that a document may take.
    """

    def __init__(self, workers: int, memory: int, time_limit: float):
        self.size = workers
        self.memory = memory
        self.time_limit = time_limit
        self._server: WorkerServer | None = None
        self._workers: list[Worker] = []

    def close(self) -> None:
        """Ends all processes."""
        if self._server is not None:
            with contextlib.suppress(OSError, RuntimeError):  # the server is gone
                while self._workers:
                    self._end(self._workers[0])
            self._server.close()
        self._server, self._workers = None, []

    def run(
        self, tasks: Sequence[Task], progress: Callable[[Progress], object] | None
    ) -> Counts:
        """Does the tasks that are not done; what it has begun ends with it.

        Raises:
            StageError: a part that cannot be made.
            OSError: of reading or writing.
        """
        left = [task for task in tasks if not task.output.exists()]
        _remove_drafts(left)
        report = Report(tasks, len(left), progress)
        waiting = deque(Attempt.at(task) for task in left)
        try:
            while waiting or self._busy:
                self._give(waiting)
                busy = self._busy
                ready = connection.wait([one.connection for one, _ in busy], _TICK)
                for worker, attempt in busy:
                    if worker.connection in ready:
                        self._take(worker, attempt, waiting, report)
                    else:
                        self._watch(worker)
                report.show(*(worker.memory.counts for worker, _ in self._busy))
        except BaseException:
            self.close()
            _remove_drafts(left)
            raise
        report.show(last=True)
        return report.counts

    @property
    def _busy(self) -> list[tuple[Worker, Attempt]]:
        return [
            (worker, worker.attempt)
            for worker in self._workers
            if worker.attempt is not None
        ]

    def _started(self) -> WorkerServer:
        if self._server is None:
            self._server = WorkerServer(self.memory)
        return self._server

    def _give(self, waiting: deque[Attempt]) -> None:
        idle = [worker for worker in self._workers if worker.attempt is None]
        while waiting and (idle or len(self._workers) < self.size):
            if not idle:
                idle.append(self._started().fork())
                self._workers.append(idle[-1])
            idle.pop().give(waiting.popleft())

    def _take(
        self, worker: Worker, attempt: Attempt, waiting: deque[Attempt], report: Report
    ) -> None:
        """What a worker answers, or the news that it ended."""
        before = len(attempt.quarantine)
        try:
            answer = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker, attempt, waiting, report)
            return
        worker.attempt = None
        if isinstance(answer, BaseException):
            raise explain(answer, attempt.task.output)
        counts, quarantine = answer
        report.finish(counts, len(quarantine) - before)
        if own_bytes(worker.process) > self.memory // 2:
            self._end(worker)  # what it keeps is not the next part's to pay for

    def _bury(
        self, worker: Worker, attempt: Attempt, waiting: deque[Attempt], report: Report
    ) -> None:
        names = worker.memory.names
        reason = self._end(worker)
        _remove_drafts([attempt.task])
        attempt.quarantine = Attempt.at(attempt.task).quarantine  # it may have added
        before = len(attempt.quarantine)
        if not attempt.learn(names, reason) and attempt.wasted >= _MOST_WASTED:
            raise StageError(
                f"{attempt.task.output}: {attempt.wasted} times, at no document: "
                f"{reason}{self._advice(reason)}"
            )
        attempt.deaths += 1
        if attempt.deaths > guard.MOST_FAILURES:
            raise StageError(
                f"{attempt.task.output}: {attempt.deaths} times: {reason}"
                f"{self._advice(reason)}"
            )
        for name in list(attempt.quarantine)[before:]:
            logger.warning("%s: document %d: %s", name.source, name.position, reason)
            report.quarantined += 1
        waiting.appendleft(attempt)

    def _advice(self, reason: str) -> str:
        if reason != guard.MEMORY_LIMIT:
            return ""
        return (
            f", which is {self.memory // 10**6}MB for a worker: give more memory, or "
            "fewer workers"
        )

    def _end(self, worker: Worker) -> str:
        """Ends a worker; the reason, if it was not asked to."""
        self._workers.remove(worker)
        ended = self._started().end_of(worker)
        return worker.killed or ended

    def _watch(self, worker: Worker) -> None:
        if own_bytes(worker.process) > self.memory:
            worker.kill(guard.MEMORY_LIMIT)
        elif worker.seconds() > self.time_limit:
            worker.kill(guard.TIME_LIMIT)


def _remove_drafts(tasks: Iterable[Task]) -> None:
    """Removes what writers of the files of some tasks left when they were ended."""
    folders: dict[Path, set[str]] = {}
    for task in tasks:
        for file in (task.output, task.quarantine):
            folders.setdefault(file.parent, set()).add(file.name)
    for folder, names in folders.items():
        for draft in folder.glob(".*.tmp"):
            if draft.name[1:].removesuffix(".tmp").rpartition(".")[0] in names:
                draft.unlink(missing_ok=True)

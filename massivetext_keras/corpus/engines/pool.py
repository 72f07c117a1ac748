"""Workers that share the tasks of a stage, and are watched while they work."""

from __future__ import annotations

import functools
import glob
import logging
import operator
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import connection
from pathlib import Path

from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.engines.guard import Counts
from massivetext_keras.corpus.engines.memory import own_bytes
from massivetext_keras.corpus.engines.progress import Progress
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
        for folder in {task.output.parent for task in tasks}:
            _remove_drafts(folder)
        stage = _Stage(tasks, len(left), progress)
        waiting = deque(Attempt.at(task) for task in left)
        try:
            while waiting or self._busy:
                self._give(waiting)
                busy = self._busy
                ready = connection.wait([one.connection for one in busy], _TICK)
                for worker in busy:
                    if worker.connection in ready:
                        self._take(worker, waiting, stage)
                    else:
                        self._watch(worker)
                stage.show(self._busy)
        except BaseException:
            self.close()
            for folder in {task.output.parent for task in tasks}:
                _remove_drafts(folder)
            raise
        stage.show([], last=True)
        return stage.done

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.attempt is not None]

    def _give(self, waiting: deque[Attempt]) -> None:
        idle = [worker for worker in self._workers if worker.attempt is None]
        while waiting and (idle or len(self._workers) < self.size):
            if not idle:
                if self._server is None:
                    self._server = WorkerServer(self.memory)
                idle.append(self._server.fork())
                self._workers.append(idle[-1])
            idle.pop().give(waiting.popleft())

    def _take(self, worker: Worker, waiting: deque[Attempt], stage: _Stage) -> None:
        """What a worker answers, or the news that it ended."""
        attempt, before = worker.attempt, len(worker.attempt.quarantine)
        try:
            answer = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker, waiting, stage)
            return
        worker.attempt = None
        if isinstance(answer, BaseException):
            raise explain(answer, attempt.task.output)
        counts, quarantine = answer
        stage.finish(counts, len(quarantine) - before)
        if own_bytes(worker.process) > self.memory // 2:
            self._end(worker)  # what it keeps is not the next part's to pay for

    def _bury(self, worker: Worker, waiting: deque[Attempt], stage: _Stage) -> None:
        attempt, names = worker.attempt, worker.memory.names
        reason = self._end(worker)
        _remove_drafts(attempt.task.output.parent, attempt.task.output.name)
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
        for source, position in list(attempt.quarantine)[before:]:
            logger.warning("%s: document %d: %s", source, position, reason)
            stage.quarantined += 1
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
        ended = self._server.end_of(worker)
        return worker.killed or ended

    def _watch(self, worker: Worker) -> None:
        if own_bytes(worker.process) > self.memory:
            worker.kill(guard.MEMORY_LIMIT)
        elif worker.seconds() > self.time_limit:
            worker.kill(guard.TIME_LIMIT)


class _Stage:
    """What people see of a stage."""

    def __init__(self, tasks: Sequence[Task], left: int, progress):
        self._progress = progress
        self._parts = len(tasks)
        self._parts_done = len(tasks) - left
        self._name = tasks[0].output.parent.name if tasks else ""
        self._shown = 0.0
        self.done = Counts()
        self.quarantined = 0

    def finish(self, counts: Counts, quarantined: int) -> None:
        self._parts_done += 1
        self.done += counts
        self.quarantined += quarantined

    def show(self, busy: Sequence[Worker], last: bool = False) -> None:
        now = time.monotonic()
        if self._progress is None or not (last or now - self._shown > _TICK):
            return
        self._shown = now
        counts = functools.reduce(
            operator.add, (worker.memory.counts for worker in busy), self.done
        )
        self._progress(
            Progress(
                self._name, self._parts, self._parts_done, counts, self.quarantined
            )
        )


def _remove_drafts(folder: Path, name: str = "") -> None:
    """Removes what writers that were ended have left, of one file or of all."""
    for draft in folder.glob(f".{glob.escape(name) or '*'}.*.tmp"):
        draft.unlink(missing_ok=True)

"""Requests that wait for the thread of an engine."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from massivetext_keras.serving.requests import QueueFull


class Waiting:
    """Jobs in the order in which they came, from any thread to one.

    Args:
        most: jobs that may wait.

    >>> waiting = Waiting(2)
    >>> waiting.put("a"), waiting.take(), waiting.take()
    (None, 'a', None)
    >>> waiting.close()
    >>> waiting.has_work(busy=False)
    False
    """

    def __init__(self, most: int):
        self.most = most
        self._jobs: deque[Any] = deque()
        self._changed = threading.Condition()
        self._closing = False

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Any) -> None:
        """Takes a job.

        Raises:
            QueueFull: as many wait as may.
            RuntimeError: it is closed.
        """
        with self._changed:
            if self._closing:
                raise RuntimeError("the engine is closed")
            if len(self._jobs) >= self.most:
                raise QueueFull(f"{self.most} requests wait already")
            self._jobs.append(job)
            self._changed.notify()

    def has_work(self, busy: bool) -> bool:
        """Waits for jobs, unless the thread is busy; whether there is work, before the
        end."""
        with self._changed:
            while not (self._jobs or busy or self._closing):
                self._changed.wait()
            return bool(self._jobs or busy)

    def take(self) -> Any:
        """The job that waits longest; None if none does."""
        with self._changed:
            return self._jobs.popleft() if self._jobs else None

    def dismiss(self) -> list[Any]:
        """Takes out those that were cancelled."""
        with self._changed:
            gone = [job for job in self._jobs if job.cancelled]
            for job in gone:
                self._jobs.remove(job)
        return gone

    def close(self) -> None:
        """Takes no more jobs."""
        with self._changed:
            self._closing = True
            self._changed.notify()

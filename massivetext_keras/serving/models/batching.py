"""Dynamic batching: rows of several requests answered by one call of a graph."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.serving.requests import QueueFull

Arrays = dict[str, np.ndarray]


class Work(NamedTuple):
    """What is asked of a graph.

    Attributes:
        key: of what can be in one batch; None of what is asked alone.
        run: arrays by name, rows of several requests, to arrays with as many rows.
        inputs: arrays by name, with `rows` rows.
        shared: inputs without rows, equal for all of a batch.
        rows: how many.
        padded: whether a batch gets a number of rows that is a power of two, since the
            graph is compiled anew for each.
        apart: what may be in a batch once, such as prompts that are sampled behind.
    """

    key: Hashable
    run: Callable[[Mapping[str, Any]], Arrays]
    inputs: Arrays
    shared: Mapping[str, Any]
    rows: int
    padded: bool = False
    apart: frozenset = frozenset()


def bucket(length: int, least: int = 64) -> int:
    """The bucket of a length: a power of two that it fits in.

    >>> bucket(3), bucket(64), bucket(65)
    (64, 64, 128)
    """
    return max(least, 1 << max(length - 1, 0).bit_length())


class Batcher:
    """A bounded queue, and a thread that answers what waits in it in batches.

    The oldest request says which others can be with it. A batch begins when it is full
    or its oldest row has waited long enough; while the graph is busy, rows gather.

    Args:
        max_batch: rows of a batch; a request with more of them is asked alone.
        max_waiting: rows that may wait.
        delay: seconds that a row waits for others.
        seen: told the rows of each batch.

    >>> with Batcher(max_batch=4, max_waiting=9) as batcher:
    ...     double = Work("x", lambda x: {"y": 2 * x["x"]}, {"x": np.ones(1)}, {}, 1)
    ...     [batcher.submit(double).result()["y"].tolist() for _ in range(2)]
    [[2.0], [2.0]]
    """

    def __init__(
        self,
        max_batch: int = 32,
        max_waiting: int = 1024,
        delay: float = 0.002,
        seen: Callable[[int], None] = lambda rows: None,
    ):
        self.max_batch, self.max_waiting = max_batch, max_waiting
        self.delay, self.seen = delay, seen
        self.waiting = 0  # rows
        self._queue: collections.deque[tuple[float, Work, Future]] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, daemon=True, name="batches")
        self._thread.start()

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, work: Work) -> Future:
        """Takes a request; its future has the arrays. It may be cancelled.

        Raises:
            QueueFull: too many rows wait.
        """
        with self._changed:
            if self._closed:
                raise QueueFull("the model is being unloaded")
            if self.waiting and self.waiting + work.rows > self.max_waiting:
                raise QueueFull(f"{self.waiting:,} rows wait already")
            future: Future = Future()
            self._queue.append((time.monotonic(), work, future))
            self.waiting += work.rows
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answers what waits, then ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            batch = [x for x in batch if x[1].set_running_or_notify_cancel()]
            if batch:
                _answer(batch, self.seen)

    def _next(self) -> list[tuple[Work, Future]]:
        """The next batch, once it is full or has waited; none at the end."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return []
                self._changed.wait()
            since, first, _ = self._queue[0]
            left = since + self.delay - time.monotonic()
            while left > 0 and not self._closed and self._rows(first) < self.max_batch:
                self._changed.wait(left)
                left = since + self.delay - time.monotonic()
            return self._taken(first)

    def _rows(self, first: Work) -> int:
        """How many rows could be in a batch with the first one."""
        if first.key is None:
            return self.max_batch
        return sum(work.rows for _, work, _ in self._queue if work.key == first.key)

    def _taken(self, first: Work) -> list[tuple[Work, Future]]:
        taken: list[tuple[Work, Future]] = []
        left: collections.deque[tuple[float, Work, Future]] = collections.deque()
        rows = 0
        apart: set = set()
        for entry in self._queue:
            _, work, future = entry
            fits = not taken or (
                first.key is not None
                and work.key == first.key
                and rows + work.rows <= self.max_batch
                and apart.isdisjoint(work.apart)
            )
            if fits:
                taken.append((work, future))
                apart |= work.apart
                rows += work.rows
            else:
                left.append(entry)
        self._queue = left
        self.waiting -= rows
        return taken


def _answer(batch: list[tuple[Work, Future]], seen: Callable[[int], None]) -> None:
    """Answers a batch; where that fails, each request alone, so that the one that is
    wrong spoils no other."""
    try:
        answers = _run([work for work, _ in batch], seen)
    except Exception as error:
        if len(batch) == 1:
            batch[0][1].set_exception(error)
            return
        for one in batch:
            _answer([one], seen)
        return
    for (_, future), answer in zip(batch, answers, strict=True):
        future.set_result(answer)


def _run(works: list[Work], seen: Callable[[int], None]) -> list[Arrays]:
    first, rows = works[0], sum(work.rows for work in works)
    inputs = {
        name: np.concatenate([work.inputs[name] for work in works])
        for name in first.inputs
    }
    if first.padded:
        more = bucket(rows, 1) - rows
        inputs = {
            name: np.concatenate([part, np.repeat(part[-1:], more, axis=0)])
            for name, part in inputs.items()
        }
    seen(rows)
    found = first.run({**inputs, **first.shared})
    if len(works) == 1 and not first.padded:
        return [found]
    ends = np.cumsum([work.rows for work in works])
    return [
        _own({name: part[end - work.rows : end] for name, part in found.items()})
        for work, end in zip(works, ends, strict=True)
    ]


def _own(answer: Arrays) -> Arrays:
    """The answer as it would be alone: `counts` or `new_tokens` says how wide the rows
    of lists are, which others of the batch may have made wider.

    >>> _own({"counts": np.array([1]), "labels": np.array([["A", ""]])})["labels"]
    array([['A']], dtype='<U1')
    """
    counts = answer.get("counts", answer.get("new_tokens"))
    if counts is None:
        return answer
    width = int(np.max(counts, initial=0))
    return {k: v[:, :width] if v.ndim > 1 else v for k, v in answer.items()}

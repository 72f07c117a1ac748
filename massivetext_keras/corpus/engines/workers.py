"""Processes that do tasks, and can be ended at any moment.

A server process imports what every worker needs, once, and forks: a new worker costs
milliseconds, shares most of its memory with the others, and never imports what the
program has imported that uses it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from massivetext_keras.corpus.engines import guard
from massivetext_keras.corpus.engines.guard import Counts, Memory
from massivetext_keras.corpus.engines.tasks import Attempt, run

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ENVIRONMENT = {
    **dict.fromkeys(_ONE_THREAD, "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # gives memory back, and reserves none
    "MALLOC_ARENA_MAX": "2",
    "PYTHONHASHSEED": "0",  # the order of sets is the same in all workers
}
_PR_SET_PDEATHSIG = 1


class Worker:
    """One process, seen from its parent.

    Attributes:
        connection: takes attempts, gives what came of them.
        memory: what the process writes while it works.
        attempt: what it works on, None while it is idle.

    Args:
        clock: gives seconds.
    """

    def __init__(
        self,
        process: int,
        connection: Connection,
        memory: Memory,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._clock = clock
        self.process = process
        self.connection = connection
        self.memory = memory
        self.attempt: Attempt | None = None
        self.killed: str | None = None
        self._since = 0  # when the documents it is at were begun
        self._seen = self._looked = 0.0

    def give(self, attempt: Attempt) -> None:
        """Has it work on an attempt."""
        self.attempt = attempt
        self.memory.count(Counts())
        with contextlib.suppress(OSError):  # it died, which its connection will tell
            self.connection.send_bytes(pickle.dumps(attempt))

    def seconds(self) -> float:
        """How long it was seen at the same documents.

        Time in which nobody looked, such as that of a stopped terminal, does not count.
        """
        now, since = self._clock(), self.memory.since
        same = since and since == self._since
        self._seen = self._seen + min(now - self._looked, 1.0) if same else 0.0
        self._since, self._looked = since, now
        return self._seen

    def kill(self, reason: str) -> None:
        """Ends it at once, whatever it is at."""
        self.killed = self.killed or reason
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


class WorkerServer:
    """Forks workers; they and it end with the process that made it.

    Args:
        memory_limit: bytes that a worker may ask the system for.
    """

    def __init__(self, memory_limit: int):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                "from massivetext_keras.corpus.engines import workers; "
                f"workers.serve({theirs.fileno()}, {memory_limit})",
            ],
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._socket = ours

    @property
    def process(self) -> int:
        return self._process.pid

    def fork(self) -> Worker:
        """A new worker."""
        ours, theirs = socket.socketpair()
        shared = os.memfd_create("guard")
        try:
            os.ftruncate(shared, guard.MEMORY)
            memory = Memory(mmap.mmap(shared, guard.MEMORY))
            socket.send_fds(self._socket, [b"fork"], [theirs.fileno(), shared])
            process = int(self._answer())
        finally:
            theirs.close()
            os.close(shared)
        return Worker(process, Connection(ours.detach()), memory)

    def end_of(self, worker: Worker) -> str:
        """How a worker ended, which has ended or is killed now."""
        worker.kill("")
        worker.connection.close()
        self._socket.send(b"wait %d" % worker.process)
        code = os.waitstatus_to_exitcode(int(self._answer()))
        if code >= 0:
            return f"crashed: exit code {code}"
        try:
            return f"crashed: {signal.Signals(-code).name}"
        except ValueError:  # a real-time signal has no name
            return f"crashed: signal {-code}"

    def close(self) -> None:
        """Ends the server and its workers."""
        self._socket.close()
        self._process.wait()

    def _answer(self) -> bytes:
        answer = self._socket.recv(64)
        if not answer:
            raise RuntimeError(
                f"the server of workers ended (code {self._process.wait()})"
            )
        return answer


def serve(descriptor: int, memory_limit: int) -> None:
    """What the server does, until its parent ends."""
    import numpy  # noqa: F401
    import pyarrow

    import massivetext_keras.corpus.engines.groups  # noqa: F401

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    requests = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 64, 2)
        if not message:
            os._exit(0)
        if message == b"fork":
            parent = os.getpid()
            process = os.fork()
            if not process:
                requests.close()
                _follow(parent)
                _limit(memory_limit)
                _work(*descriptors)
            for one in descriptors:
                os.close(one)
            answer = process
        else:
            answer = os.waitpid(int(message.split()[1]), 0)[1]
        requests.send(b"%d" % answer)


def _follow(parent: int) -> None:
    """Has the kernel end this process with its parent, even in the midst of C."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit(memory: int) -> None:
    """Has the kernel refuse, at once, what the parent would see too late."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        now = int(status.partition("VmData:")[2].split()[0]) * 1024  # in kB
        most = now + memory * 3 // 2
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _work(descriptor: int, shared: int) -> None:
    """What a worker does, until its parent ends it."""
    memory = Memory(mmap.mmap(shared, guard.MEMORY))
    connection = Connection(descriptor)
    try:
        while True:
            data = connection.recv_bytes()
            answer: object
            try:
                attempt = pickle.loads(data)
                answer = run(attempt, memory), attempt.quarantine
            except BaseException as error:
                error.add_note(traceback.format_exc())
                answer = _picklable(error)
            connection.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)  # nobody is there to work for
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _picklable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(guard.reason_of(error))

"""Workers find one another before TensorFlow looks for them, and leave together.

TensorFlow waits for an hour, or for ever, for a worker that does not come, says nothing
of it, and can be interrupted neither by a signal nor by a thread. And a process that
ends takes with it what it has still to send: the others fail at the end of their last
step.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.eager import context

logger = logging.getLogger(__name__)

PATIENCE = 600.0  # seconds until workers that do not come are given up
_REMINDER = 30.0  # seconds
_PAUSE = 0.1  # seconds between looks
_SECOND = 1.0  # what an answer may take
_PARTING = 10_000  # milliseconds that a process which ends waits for the others


def meet(addresses: Sequence[str], own: int, patience: float | None = None) -> None:
    """Comes back when all workers are there.

    Each listens at its own port, which is free again in the end, and greets all others.
    It has met one that it has greeted and that has greeted it; then neither needs the
    other any more.

    Args:
        addresses: "host:port" of all workers.
        own: which of them this is.
        patience: seconds (None: `PATIENCE`).

    Raises:
        TimeoutError: names those who did not come.
        OSError: the port is taken.
    """
    patience = PATIENCE if patience is None else patience
    logger.info("waiting for all workers: %s", ", ".join(addresses))
    to_greet = set(range(len(addresses))) - {own}
    to_hear = set(to_greet)
    begun = reminded = time.monotonic()
    with _listening(addresses[own]) as server:
        while to_greet or to_hear:
            to_greet -= {i for i in to_greet if _greet(addresses[i], own)}
            to_hear -= _heard(server)
            now = time.monotonic()
            missing = ", ".join(addresses[i] for i in sorted(to_greet | to_hear))
            if missing and now - begun > patience:
                raise TimeoutError(
                    f"{missing} did not come within {patience:g} s: start the same "
                    "command there, or mend the addresses in TF_CONFIG"
                )
            if missing and now - reminded > _REMINDER:
                reminded = now
                logger.info("waiting for %s: %.0f s so far", missing, now - begun)


def leave_together() -> None:
    """Lets this process end when all workers do, or ten seconds later.

    Called once they are connected. A process that an exception ends waits for nobody.
    """
    atexit.register(_part)


def _part() -> None:
    failed = sys.exc_info()[0] or getattr(sys, "last_type", None)
    if not failed and context.context().coordination_service:
        with contextlib.suppress(tf.errors.OpError):  # they have left, or will stay
            context.context().wait_at_barrier("the end", _PARTING)


def _listening(address: str) -> socket.socket:
    host, port = _parts(address)
    try:
        server = socket.create_server(("", port))
    except OSError as error:
        raise OSError(
            f"{address}, which TF_CONFIG says is this worker's, cannot be listened "
            f"at: {error.strerror}"
        ) from error
    server.settimeout(_PAUSE)
    return server


def _greet(address: str, own: int) -> bool:
    """Whether somebody at an address could be told who this is."""
    try:
        with socket.create_connection(_parts(address), timeout=_SECOND) as line:
            line.sendall(b"%d\n" % own)
    except OSError:  # is not there yet
        return False
    return True


def _heard(server: socket.socket) -> set[int]:
    """Numbers of the workers that have greeted this one, after a pause at the most."""
    try:
        line, _ = server.accept()
        with line:
            line.settimeout(_SECOND)
            said = line.recv(16)
    except OSError:  # nobody, or somebody who left
        return set()
    return {int(said)} if said.strip().isdigit() else set()


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)

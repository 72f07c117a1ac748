"""The process that listens: uvicorn, with limits of its own and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from massivetext_keras.serving.gate import Gate

_HEAD = 16_384  # bytes of a request's head


def make_server(
    app: Gate, host: str, port: int, tls: dict[str, str | None] | None = None
) -> uvicorn.Server:
    """A server that has yet to run.

    Args:
        app: answers.
        host, port: where it listens.
        tls: uvicorn's `ssl_certfile`, `ssl_keyfile` and others.
    """
    seconds = app.limits.max_body_seconds

    class Protocol(_Patient):
        head_seconds = seconds
        taking_seconds = app.limits.max_seconds

    config = uvicorn.Config(
        app,
        host,
        port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEAD,
        timeout_keep_alive=max(1, int(seconds)),
        timeout_graceful_shutdown=int(app.limits.max_seconds) + 1,
        **{name: value for name, value in (tls or {}).items() if value},
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that a port that is taken is known before models are
    loaded.

    Raises:
        OSError: it cannot be bound; names the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends what is short at once (TCP_NODELAY) if the protocol is said: without
    # it, each answer waits some 40 ms for an acknowledgement of its head.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise OSError(f"{host}:{port}: {error.strerror or error}") from None
    return found


@contextlib.contextmanager
def ended_by_signal() -> Iterator[None]:
    """In it, SIGTERM ends the process with 0, whether models are being loaded or the
    server has drained: uvicorn raises the signal anew when it is done."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Patient(H11Protocol):
    """Closes a connection on which no whole head of a request comes in time, or whose
    answer is not taken: uvicorn looks at the time between two requests alone.

    Attributes:
        head_seconds: in which the head of a request has to come.
        taking_seconds: in which an answer that fills the buffers has to be taken.
    """

    head_seconds: float
    taking_seconds: float
    _head: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        seconds = self.taking_seconds
        self._taking = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # a head is whole
            self._stop()
        elif self._head is None and (before is None or before.response_complete):
            self._wait()

    def _wait(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self._close)

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _close(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()

"""What each request passes before it is answered: keys, limits, counts and the log."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from massivetext_keras.serving.limits import Limits
from massivetext_keras.serving.measuring import Measuring
from massivetext_keras.serving.refusals import Refusal, took_too_long

logger = logging.getLogger(__name__)

OPEN = {"/", "/healthz", "/readyz"}  # without a key, and however busy
_CLOSED = 499  # the client went away, as nginx says
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOGGED = 2000  # characters of a prompt


class Keys:
    """API keys, of which only digests are kept.

    Args:
        keys: at least one of them is wanted of a request; without any, all may ask.

    >>> keys = Keys(["a-key"])
    >>> keys.holds("Bearer a-key"), keys.holds("Bearer b-key"), keys.holds("")
    (True, False, False)
    """

    def __init__(self, keys: Iterable[str] = ()):
        self._digests = [_digest(key) for key in keys]

    @classmethod
    def read(cls, path: str) -> Keys:
        """The lines of a file, but for empty ones and those that begin with #.

        Raises:
            ValueError: it has no key.
        """
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        keys = [x.strip() for x in lines if x.strip() and not x.startswith("#")]
        if not keys:
            raise ValueError(f"{path} has no API key: give one a line")
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def holds(self, authorization: str) -> bool:
        """Whether a header has a key, told in a time that does not depend on it."""
        kind, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        found = [hmac.compare_digest(given, digest) for digest in self._digests]
        return any(found) and kind.lower() == "bearer"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class Gate:
    """An ASGI application around another.

    It reads the whole body before the application is asked, so that a slow client takes
    no slot, and cancels the application when the client goes away.

    Args:
        app: answers.
        limits: of the server.
        keys: that may ask.
        measuring: counts.
        endpoint: of a path, the name under which it is counted.
        log_prompts: whether bodies are logged.
    """

    def __init__(
        self,
        app: Any,
        limits: Limits,
        keys: Keys,
        measuring: Measuring,
        endpoint: Callable[[str], str],
        log_prompts: bool = False,
    ):
        self.app, self.limits, self.keys = app, limits, keys
        self.measuring, self.endpoint = measuring, endpoint
        self.log_prompts = log_prompts

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        counted = scope["path"] not in OPEN
        self.measuring.active += counted
        try:
            await self._answer(scope, receive, answer, counted)
        finally:
            self.measuring.active -= counted
            self._record(scope, answer)

    async def _answer(self, scope, receive, answer: _Answer, counted: bool) -> None:
        try:
            if counted:
                self._admit(scope)
            body = await self._body(scope, receive)
            if self.log_prompts:
                answer.prompt = body[:_LOGGED].decode(errors="replace")
            await self._ask(scope, body, receive, answer)
        except _Gone:
            answer.status = answer.status or _CLOSED
        except Refusal as refusal:
            await answer.refuse(refusal)
        except TimeoutError:
            await answer.refuse(took_too_long(self.limits.max_seconds))
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await answer.refuse(Refusal(500, "the server failed", code="internal"))

    def _admit(self, scope) -> None:
        if self.keys and not self.keys.holds(_header(scope, b"authorization")):
            why = "an API key is wanted: Authorization: Bearer KEY"
            raise Refusal(401, why, code="invalid_api_key")
        if self.measuring.active > self.limits.max_requests:
            why = f"{self.limits.max_requests:,} requests are being answered already"
            raise Refusal(429, why, code="too_many_requests")

    async def _body(self, scope, receive) -> bytes:
        most, parts, size = self.limits.max_body, [], 0
        told = _header(scope, b"content-length")
        too_large = Refusal(413, f"the body may have {most:,} bytes", "body")
        if told.isdigit() and int(told[:20]) > most:
            raise too_large
        try:
            async with asyncio.timeout(self.limits.max_body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            seconds = self.limits.max_body_seconds
            why = f"the body did not come within {seconds:g} seconds"
            raise Refusal(408, why, "body", "timeout") from None
        return b"".join(parts)

    async def _ask(self, scope, body: bytes, receive, answer: _Answer) -> None:
        """Asks the application, until it has answered or the client is gone."""
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        gone = asyncio.ensure_future(_gone(receive))

        async def replay():
            if (message := next(messages, None)) is not None:
                return message
            await asyncio.shield(gone)
            return {"type": "http.disconnect"}

        async def run():
            async with asyncio.timeout(self.limits.max_seconds) as answer.clock:
                await self.app(scope, replay, answer.send)

        asked = asyncio.ensure_future(run())
        try:
            await asyncio.wait([asked, gone], return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                asked.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asked
                raise _Gone
            await asked
        finally:
            for task in (asked, gone):
                task.cancel()

    def _record(self, scope, answer: _Answer) -> None:
        seconds = time.monotonic() - answer.since
        name, status = self.endpoint(scope["path"]), answer.status or 500
        self.measuring.requests.labels(name, str(status)).inc()
        self.measuring.seconds.labels(name).observe(seconds)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": answer.id,
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 4),
        }
        if answer.prompt:
            line["body"] = answer.prompt
        logger.info("%s", json.dumps(line))


class _Gone(Exception):
    """The client went away."""


class _Answer:
    """How far the answer to a request is."""

    def __init__(self, scope, send):
        given = _header(scope, b"x-request-id")
        self.id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        self.path, self._send, self.since = scope["path"], send, time.monotonic()
        self.status, self.prompt = 0, ""
        self.clock: asyncio.Timeout | None = None

    async def send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.clock is not None:  # a stream looks at the clock itself
                self.clock.reschedule(None)
            mark = (b"x-request-id", self.id.encode())
            message = {**message, "headers": [*message["headers"], mark]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answers with an error, if nothing was answered yet. The connection is closed,
        since the rest of the body may still come."""
        if self.status:
            return
        self.clock = None  # it has run down, perhaps
        body = json.dumps(refusal.body(self.path), ensure_ascii=False).encode() + b"\n"
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **refusal.headers(),
        }
        raw = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
        start = {"type": "http.response.start", "status": refusal.status}
        await self.send({**start, "headers": raw})
        await self._send({"type": "http.response.body", "body": body})


async def _gone(receive) -> None:
    """Returns when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _header(scope, name: bytes) -> str:
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""

"""Texts that engines write, as they come to an asynchronous server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import tensorflow as tf

from massivetext_keras.serving.models.model import Model
from massivetext_keras.serving.moderation.moderator import cleared
from massivetext_keras.serving.refusals import Refusal, took_too_long
from massivetext_keras.serving.requests import (
    Finish,
    GenerationRequest,
    Piece,
    QueueFull,
    Ticket,
)
from massivetext_keras.serving.service import Service


class Writing:
    """The texts of one HTTP request, written at the same time.

    To be used by `async with`: what still runs at the end is cancelled, so that a
    client that goes away frees its slots.

    Args:
        service: of the server.
        model: that writes.
    """

    def __init__(self, service: Service, model: Model):
        self.service, self.model = service, model
        self._tickets: list[Ticket] = []
        self._queues: list[asyncio.Queue[Piece | Finish]] = []
        self._since = time.monotonic()
        self._begun: set[int] = set()  # of which something was sent

    async def __aenter__(self) -> Writing:
        return self

    async def __aexit__(self, *_: object) -> None:
        for ticket in self._tickets:
            ticket.cancel()

    async def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Has all of some requests written.

        Raises:
            Refusal: one can never run, or too many wait.
        """
        loop = asyncio.get_running_loop()
        for request in requests:
            queue: asyncio.Queue[Piece | Finish] = asyncio.Queue()

            def hear(event, queue=queue):
                loop.call_soon_threadsafe(queue.put_nowait, event)

            # It reads the prompt, which may take a while. It goes on when this is
            # cancelled, and is cancelled then.
            taken = asyncio.ensure_future(
                asyncio.to_thread(self.model.need_engine().submit, request, hear)
            )
            try:
                self._tickets.append(await asyncio.shield(taken))
            except asyncio.CancelledError:
                taken.add_done_callback(_cancel)
                raise
            except ValueError as error:
                raise Refusal(422, str(error), _field(str(error))) from None
            except QueueFull as error:
                why = f"too many requests wait: {error}"
                raise Refusal(429, why, code="queue_full") from None
            except RuntimeError as error:  # it is closed
                raise Refusal(503, str(error), code="cancelled") from None
            self._queues.append(queue)

    async def events(self, index: int) -> AsyncIterator[Piece | Finish]:
        """The events of one text, as they may be sent.

        Raises:
            Refusal: it took too long, or the model failed.
        """
        moderator = self.service.moderator_of(self.model, written=True)
        async for event in cleared(self._heard(index), moderator):
            self._count(index, event)
            yield event
            if isinstance(event, Finish):
                self._tickets[index].cancel()
                return

    async def merged(self) -> AsyncIterator[tuple[int, Piece | Finish]]:
        """The events of all texts, each with its number, as they come."""
        queue: asyncio.Queue = asyncio.Queue()

        async def drain(index: int) -> None:
            try:
                async for event in self.events(index):
                    queue.put_nowait((index, event))
            except Exception as error:
                queue.put_nowait((index, error))

        tasks = [asyncio.ensure_future(drain(i)) for i in range(len(self._queues))]
        left = len(tasks)
        try:
            while left:
                index, event = await queue.get()
                if isinstance(event, Exception):
                    raise event
                left -= isinstance(event, Finish)
                yield index, event
        finally:
            for task in tasks:
                task.cancel()

    async def _heard(self, index: int) -> AsyncIterator[Piece | Finish]:
        """What the engine says."""
        while True:
            event = await self._next(index)
            yield _checked(event) if isinstance(event, Finish) else event

    async def _next(self, index: int) -> Piece | Finish:
        left = self._since + self.service.limits.max_seconds - time.monotonic()
        try:
            return await asyncio.wait_for(self._queues[index].get(), max(left, 0))
        except TimeoutError:
            raise took_too_long(self.service.limits.max_seconds) from None

    def _count(self, index: int, event: Piece | Finish) -> None:
        measuring, name = self.service.measuring, self.model.name
        if index not in self._begun:
            self._begun.add(index)
            measuring.first.labels(name).observe(time.monotonic() - self._since)
        if isinstance(event, Finish):
            measuring.tokens.labels(name, "prompt").inc(event.prompt_tokens)
            measuring.tokens.labels(name, "new").inc(event.new_tokens)


def text_of(model: Model, ids: Sequence[int]) -> str:
    """The text of tokens together."""
    return _detokenized(model, [list(ids)])[0]


def tokens_of(model: Model, ids: Sequence[int]) -> list[str]:
    """The text of each token, as it is behind another one: a tokenizer may drop the
    blank before the first word of a text."""
    rows = [row for i in ids for row in ([i], [i, i])]
    texts = _detokenized(model, rows) if rows else []
    return [
        twice[len(once) :] for once, twice in zip(texts[::2], texts[1::2], strict=True)
    ]


def _detokenized(model: Model, rows: list[list[int]]) -> list[str]:
    found = model.task.tokenizer.detokenize(tf.ragged.constant(rows, tf.int32))
    return [text.decode(errors="replace") for text in found.numpy().tolist()]


def _cancel(taken: asyncio.Future) -> None:
    if not taken.cancelled() and taken.exception() is None:
        taken.result().cancel()


def _checked(finish: Finish) -> Finish:
    if finish.reason == "error":
        why = f"the model failed: {finish.message}"
        raise Refusal(500, why, code="model_failed")
    if finish.reason == "cancelled":
        raise Refusal(503, "the model stopped writing", code="cancelled")
    return finish


_NAMED = {"max_new_tokens": "max_tokens"}


def _field(message: str) -> str:
    """The field that an engine's complaint names."""
    known = GenerationRequest.__dataclass_fields__
    found = [name for name in known if name in message]
    return _NAMED.get(found[0], found[0]) if found else ""

"""Texts that an export writes step by step, many at a time: `export --streaming`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

import tensorflow as tf

from massivetext_keras.serving.requests import (
    Finish,
    GenerationRequest,
    Piece,
)
from massivetext_keras.serving.waiting import Waiting

logger = logging.getLogger(__name__)

NAMES = ("slots_open", "slots_fill", "slots_step")
_STEPS = 4  # tokens of each text between two looks at what waits


class Job:
    """A request that was taken; the `Ticket` of who gave it."""

    def __init__(self, request: GenerationRequest, on_event: Callable):
        self.request, self.on_event = request, on_event
        self.cancelled = False
        self.prompt_tokens = self.new_tokens = self.sent = 0

    def cancel(self) -> None:
        """Frees the slot at the next step."""
        self.cancelled = True

    def deliver(self, text: str, done: bool) -> str:
        """Sends what of the text so far nothing can change; why it ends, or ""."""
        stops = self.request.stop
        cuts = [text.find(stop) for stop in stops if stop in text]
        if cuts or done:
            end, reason = min(cuts, default=len(text)), "stop"
            if not cuts and self.new_tokens >= self.request.max_new_tokens:
                reason = "length"
        else:
            begun = [
                size
                for stop in stops
                for size in range(1, len(stop))
                if text.endswith(stop[:size])
            ]
            end, reason = len(text) - max(begun, default=0), ""
        if end > self.sent:
            self.on_event(Piece(text[self.sent : end], (), ()))
            self.sent = end
        return reason

    def finish(self, reason: str, message: str = "") -> None:
        """The last event."""
        counts = self.prompt_tokens, self.new_tokens
        self.on_event(Finish(reason, *counts, message))


class StepEngine:
    """Writes texts with the signatures `slots_open`, `slots_fill` and `slots_step`.

    Prompts are texts: the tokenizer is inside the graph, and no token has a text of its
    own here.

    Args:
        signatures: of the export, by name.
        context: tokens of a prompt and its text together.
        slots: texts that are written at a time.
        queue: requests that may wait.
    """

    def __init__(
        self, signatures: Mapping[str, Callable], context: int, slots: int, queue: int
    ):
        self._open, self._fill, self._step = (signatures[name] for name in NAMES)
        self.context, self.slots = context, slots
        self._waiting = Waiting(queue)
        self._running: dict[int, Job] = {}
        self._written = self._steps = 0
        self._begin()
        self._thread = threading.Thread(target=self._run, daemon=True, name="slots")
        self._thread.start()

    def submit(self, request: GenerationRequest, on_event: Callable) -> Job:
        """Takes a request; see `GenerationEngine`."""
        if not isinstance(request.prompt, str):
            raise ValueError("prompt must be a text: an export takes no ids")
        if request.logprobs or request.ignore_end or request.stop_ids:
            name = "logprobs" if request.logprobs else "ignore_end"
            raise ValueError(f"{name}: an export does not say which token is which")
        if not 0 < request.max_new_tokens < self.context:
            most = self.context - 1
            raise ValueError(f"max_new_tokens must be positive and at most {most}")
        job = Job(request, on_event)
        self._waiting.put(job)
        return job

    def count_tokens(self, text: str) -> int:
        """As many as there are bytes at the most: the graph alone knows better."""
        return len(text.encode())

    def warm_up(self) -> None:
        """Has two tokens written."""
        done = threading.Event()

        def hear(event: Piece | Finish) -> None:
            if isinstance(event, Finish):
                done.set()

        self.submit(GenerationRequest("a", min(2, self.context - 1)), hear)
        done.wait()

    def statistics(self) -> dict[str, float]:
        """See `GenerationEngine`."""
        return {
            "waiting": len(self._waiting),
            "running": len(self._running),
            "slots": self.slots,
            "tokens_written": self._written,
            "cache_in_use": len(self._running) / self.slots,
            "steps": self._steps,
            "prefix_hits": 0,
        }

    def close(self) -> None:
        """Lets what was taken end, then ends the thread."""
        self._waiting.close()
        self._thread.join()

    def _begin(self) -> None:
        self._open(slots=tf.constant(self.slots), places=tf.constant(self.context))

    def _run(self) -> None:
        while self._waiting.has_work(bool(self._running)):
            try:
                self._turn()
            except Exception as error:  # the next requests can be written all the same
                logger.exception("%d requests end: a step failed", len(self._running))
                while self._running:
                    _, job = self._running.popitem()
                    job.finish("error", type(error).__name__)
                self._begin()

    def _turn(self) -> None:
        for slot in [k for k, job in self._running.items() if job.cancelled]:
            self._running.pop(slot).finish("cancelled")
        for slot in range(self.slots):
            if slot not in self._running and (job := self._next()) is not None:
                self._running[slot] = job
                job.prompt_tokens = self._filled(slot, job.request)
        if not self._running:
            return
        found = self._step(steps=tf.constant(_STEPS))
        texts, done = found["text"].numpy(), found["done"].numpy()
        counts, self._steps = found["new_tokens"].numpy(), self._steps + _STEPS
        for slot, job in [*self._running.items()]:
            self._written += int(counts[slot]) - job.new_tokens
            job.new_tokens = int(counts[slot])
            text = texts[slot].decode(errors="replace")
            if reason := job.deliver(text, bool(done[slot])):
                del self._running[slot]
                job.finish(reason)

    def _next(self) -> Job | None:
        """The request that waits longest; those that were cancelled are told so."""
        while (job := self._waiting.take()) is not None and job.cancelled:
            job.finish("cancelled")
        return job

    def _filled(self, slot: int, request: GenerationRequest) -> int:
        """Gives a slot a prompt; how many tokens that has."""
        found = self._fill(
            slot=tf.constant(slot),
            prompt=tf.constant(request.prompt),
            max_new_tokens=tf.constant(request.max_new_tokens),
            temperature=tf.constant(float(request.temperature)),
            top_k=tf.constant(request.top_k),
            top_p=tf.constant(float(request.top_p)),
            repetition_penalty=tf.constant(float(request.repetition_penalty)),
            seed=tf.constant(request.seed),
        )
        return int(found["prompt_tokens"])

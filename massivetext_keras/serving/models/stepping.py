"""Texts that an export writes step by step, many at a time: `export --streaming`."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from massivetext_keras.serving.engine.characters import Told
from massivetext_keras.serving.engine.clearing import Clearing
from massivetext_keras.serving.engine.jobs import Job
from massivetext_keras.serving.models.prompts import checked_prompt, said
from massivetext_keras.serving.requests import (
    Conversation,
    Finish,
    GenerationRequest,
)
from massivetext_keras.serving.waiting import Waiting

logger = logging.getLogger(__name__)

CHAT = "slots_chat"
NAMES = ("slots_open", "slots_fill", "slots_step", "slots_free", "count")
_STEPS = 4  # tokens of each text between two looks at what waits


class StepEngine:
    """Writes texts with the signatures that `SlotSignatures` describes.

    Prompts are texts, or conversations where there is `slots_chat`: the tokenizer is
    inside the graph. What of a text may be sent is told as by `SlotEngine`, from what
    the graph says that the text is so far.

    Args:
        signatures: of the export, by name.
        context: tokens of a prompt and its text together.
        slots: texts that are written at a time.
        queue: requests that may wait.
    """

    def __init__(
        self, signatures: Mapping[str, Callable], context: int, slots: int, queue: int
    ):
        self._ask = {name: signatures[name] for name in NAMES}
        self.chats = CHAT in signatures
        if self.chats:
            self._ask[CHAT] = signatures[CHAT]
        self.context, self.slots = context, slots
        self._waiting = Waiting(queue)
        self._running: dict[int, Job] = {}
        self._written = self._steps = self._hits = 0
        self._begin()
        self._thread = threading.Thread(target=self._run, daemon=True, name="slots")
        self._thread.start()

    def submit(self, request: GenerationRequest, on_event: Callable) -> Job:
        """Takes a request; see `GenerationEngine`."""
        checked_prompt(request, self.context, self.chats, self.count_tokens)
        clearing = Clearing(Told(), request.stop, scored=False)
        job = Job(request, clearing, on_event)
        self._waiting.put(job)
        return job

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has as a prompt."""
        return int(self._ask["count"](text=tf.constant([text]))["tokens"][0])

    def warm_up(self) -> None:
        """Has two texts written: behind a short prompt, and behind one that is read in
        several chunks.

        Raises:
            RuntimeError: that fails.
        """
        new = min(2, self.context - 1)
        for prompt in ("a", "a " * self.context):
            ended: deque[Finish] = deque()
            done = threading.Event()

            def hear(event, ended=ended, done=done) -> None:
                if isinstance(event, Finish):
                    ended.append(event)
                    done.set()

            request = GenerationRequest(prompt, new)
            self._waiting.put(Job(request, Clearing(Told(), (), False), hear))
            done.wait()
            if ended[0].reason == "error":
                raise RuntimeError(ended[0].message)

    def statistics(self) -> dict[str, float]:
        """See `GenerationEngine`."""
        return {
            "waiting": len(self._waiting),
            "running": len(self._running),
            "slots": self.slots,
            "tokens_written": self._written,
            "cache_in_use": len(self._running) / self.slots,
            "steps": self._steps,
            "prefix_hits": self._hits,
        }

    def close(self) -> None:
        """Lets what was taken end, then ends the thread."""
        self._waiting.close()
        self._thread.join()

    def _begin(self) -> None:
        slots, places = tf.constant(self.slots), tf.constant(self.context)
        self._ask["slots_open"](slots=slots, places=places)
        # What was there last is overwritten last: the next prompt may begin like it.
        self._free = deque(range(self.slots))

    def _run(self) -> None:
        while self._waiting.has_work(bool(self._running)):
            try:
                self._turn()
            except Exception as error:  # the next requests can be written all the same
                logger.exception("%d requests end: a step failed", len(self._running))
                while self._running:
                    _, job = self._running.popitem()
                    job.finish("error", f"{type(error).__name__}: {said(str(error))}")
                self._begin()

    def _turn(self) -> None:
        for slot, job in [*self._running.items()]:
            if job.cancelled:
                self._end(slot, "cancelled")
        for job in self._waiting.dismiss():
            job.finish("cancelled")
        while self._free and (job := self._waiting.take()) is not None:
            self._fill(self._free.popleft(), job)
        if not self._running:
            return
        found = self._ask["slots_step"](steps=tf.constant(_STEPS))
        news = {name: value.numpy() for name, value in found.items()}
        self._steps += _STEPS
        for slot in [*self._running]:
            self._deliver(slot, news)

    def _fill(self, slot: int, job: Job) -> None:
        """Gives a slot a prompt; one that the graph refuses ends its request alone."""
        request: GenerationRequest = job.work
        inputs: dict[str, Any] = {"prompt": request.prompt}
        if isinstance(request.prompt, Conversation):
            inputs = {"roles": request.prompt.roles, "texts": request.prompt.texts}
        name = "slots_fill" if "prompt" in inputs else CHAT
        self._running[slot] = job
        try:
            found = self._ask[name](
                slot=tf.constant(slot),
                max_new_tokens=tf.constant(request.max_new_tokens),
                temperature=tf.constant(float(request.temperature)),
                top_k=tf.constant(request.top_k),
                top_p=tf.constant(float(request.top_p)),
                repetition_penalty=tf.constant(float(request.repetition_penalty)),
                seed=tf.constant(request.seed),
                **{key: tf.constant(value) for key, value in inputs.items()},
            )
        except tf.errors.InvalidArgumentError as error:
            self._end(slot, "error", said(error.message))
            return
        job.prompt_tokens = int(found["prompt_tokens"])
        if name == CHAT:
            ends = [string.decode() for string in found["stop"].numpy()]
            job.clearing.stop = (*job.clearing.stop, *ends)

    def _deliver(self, slot: int, news: Mapping[str, Any]) -> None:
        """Sends what of a text has become clear."""
        job, new = self._running[slot], news["token_ids"][:, slot]
        ids = new[new >= 0].tolist()
        if not ids:  # its prompt is not read yet
            return
        self._written += len(ids)
        if not job.clearing.count:  # it has just begun
            self._hits += int(news["shared"][slot] > 0)
        if isinstance(job.clearing.characters, Told):
            job.clearing.characters.text = news["text"][slot].decode(errors="replace")
        scores = news["log_probabilities"][: len(ids), slot].tolist()
        done, ended = bool(news["done"][slot]), bool(news["ended"][slot])
        reason = job.deliver(ids, scores, done, ended)
        if reason is None:  # nobody takes its events
            self._forget(slot)
        elif reason:
            self._end(slot, reason)

    def _end(self, slot: int, reason: str, message: str = "") -> None:
        self._forget(slot).finish(reason, message)

    def _forget(self, slot: int) -> Job:
        self._ask["slots_free"](slot=tf.constant(slot))
        self._free.append(slot)
        return self._running.pop(slot)

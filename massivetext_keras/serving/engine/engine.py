"""A thread that writes the texts of many requests at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from massivetext_keras.generation.sampling import (
    RANGES,
    SamplingTensors,
    check_numbers,
)
from massivetext_keras.generation.settings import values_of
from massivetext_keras.generation.slots import (
    MOST_STOP_IDS,
    News,
    SlotDecoder,
    Text,
)
from massivetext_keras.generation.stop_strings import checked_stop_strings
from massivetext_keras.generation.texts import ids_that_end, prompt_ids
from massivetext_keras.serving.engine.characters import Vocabulary
from massivetext_keras.serving.engine.clearing import Clearing
from massivetext_keras.serving.engine.jobs import Job
from massivetext_keras.serving.requests import (
    Conversation,
    Finish,
    GenerationRequest,
    Piece,
)
from massivetext_keras.serving.waiting import Waiting
from massivetext_keras.tasks.language_model.streaming import rules_of

logger = logging.getLogger(__name__)


class SlotEngine:
    """Writes texts with a `CausalLM`, each as the task's `generate` would alone.

    What a request does not say, `min_p`, `min_new_tokens` and stop strings, is as the
    task's `generation` says. Of a reply to a conversation the prompt is ids.

    Args:
        task: a `CausalLM` with a tokenizer.
        slots: texts that are written at once, at the most.
        queue: requests that may wait for a slot.
        **how: other arguments of `SlotDecoder`.

    >>> from massivetext_keras import tasks, tokenizers
    >>> from massivetext_keras.serving.requests import GenerationRequest
    >>> lm = tasks.CausalLM.from_preset(
    ...     "gpt_nano", tokenizers.ByteTokenizer(), num_layers=1, max_length=32
    ... )
    >>> engine, events = SlotEngine(lm, slots=2, compiled=False), []
    >>> ticket = engine.submit(GenerationRequest("Hi", max_new_tokens=3), events.append)
    >>> engine.close()
    >>> events[-1].prompt_tokens, events[-1].new_tokens
    (2, 3)
    """

    def __init__(self, task, slots: int = 32, queue: int = 1024, **how):
        self.task = task
        self.vocabulary = Vocabulary(task.need_tokenizer())
        self.end_ids = ids_that_end(task)
        self.own, _ = values_of(task.generation)
        self.own_stop = tuple(task.generation.get("stop", ()))
        rules = rules_of(task)
        self.decoder = SlotDecoder(task.backbone, rules, slots, **how)
        self._ids = tf.function(
            lambda text: prompt_ids(task.tokenizer, text[None]).flat_values,
            [tf.TensorSpec([], tf.string)],
            autograph=False,
        )
        self._waiting = Waiting(queue)
        self._running: dict[Text, Job] = {}
        self._numbers = {"tokens_written": 0, "cache_in_use": 0.0, "steps": 0}
        self._ended = threading.Event()
        self._compiler: threading.Thread | None = None
        self._turn = threading.Lock()  # whoever has it may use the decoder
        self._thread = threading.Thread(target=self._run, name="slots", daemon=True)
        self._thread.start()

    def submit(
        self, request: GenerationRequest, on_event: Callable[[Piece | Finish], None]
    ) -> Job:
        """Takes a request, from any thread.

        Args:
            request: what is to be written.
            on_event: called from the engine's thread, at last with a `Finish`; if it
                raises, the request ends without.

        Raises:
            ValueError: the request can never run; names the field.
            QueueFull: as many wait as may.
            RuntimeError: the engine is closed.
        """
        job = self._job(request, on_event)
        self._waiting.put(job)
        return job

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has as a prompt."""
        return int(tf.size(self._ids(text)))

    def warm_up(self) -> None:
        """Compiles what is needed to write any texts, so that none waits for it, and
        then, in a thread of its own, what makes it faster to write fewer of them.

        Raises:
            ValueError: there are requests already.
        """
        with self._turn:
            self.decoder.warm_up()
        self.count_tokens("")
        self._compiler = threading.Thread(
            target=self._compile, name="compiles", daemon=True
        )
        self._compiler.start()

    def wait_until_compiled(self) -> None:
        """Returns when nothing is compiled any more after a warm-up."""
        if self._compiler is not None:
            self._compiler.join()

    def _compile(self) -> None:
        """Compiles program after program while texts are written."""
        for compile_one in self.decoder.programs_to_compile():
            if self._ended.is_set():
                return
            try:
                compile_one()
            except Exception:  # texts are written without it
                logger.exception("a program that would be faster is not compiled")
                return

    def statistics(self) -> dict[str, float]:
        """Of now: `waiting`, `running`, `slots` and `cache_in_use` (0 to 1); since the
        beginning: `tokens_written`, `steps` and `prefix_hits`."""
        return {
            "waiting": len(self._waiting),
            "running": len(self._running),
            "slots": self.decoder.slots,
            "prefix_hits": self.decoder.reader.hits,
            **self._numbers,
        }

    def close(self) -> None:
        """Lets what was taken end, then ends the thread."""
        self._waiting.close()
        self._thread.join()
        self._ended.set()
        self.wait_until_compiled()

    def _job(self, request: GenerationRequest, on_event: Callable) -> Job:
        fields = {name: getattr(request, name, None) for name in RANGES}
        numbers = {name: x for name, x in fields.items() if x is not None}
        check_numbers(**numbers)
        prompt, context = self._prompt(request.prompt), self.task.config.max_length
        new = request.max_new_tokens
        if new < 0:
            raise ValueError(f"max_new_tokens must be at least 0, got {new}")
        if len(prompt) + new > context:
            raise ValueError(
                f"prompt: {len(prompt)} tokens and max_new_tokens {new} exceed the "
                f"context of {context}"
            )
        stop_ids = (*request.stop_ids, *(() if request.ignore_end else self.end_ids))
        if len(stop_ids) > MOST_STOP_IDS:
            raise ValueError(f"stop_ids: {len(stop_ids)} are more than {MOST_STOP_IDS}")
        stop = checked_stop_strings(request.stop or self.own_stop)
        numbers = {**self.own.to_dict(), **numbers, "seed": request.seed % 2**31}
        sampling = [numbers[name] for name in SamplingTensors._fields]
        text = Text(prompt, new, sampling, stop_ids, request.logprobs)
        clearing = Clearing(self.vocabulary.behind(prompt), stop, request.logprobs)
        return Job(text, clearing, on_event, len(prompt))

    def _prompt(self, prompt: str | tuple[int, ...] | Conversation) -> list[int]:
        if isinstance(prompt, str):
            return self._ids(prompt).numpy().tolist()
        ids, size = np.asarray(prompt), self.task.config.vocabulary_size
        if not ids.size:
            raise ValueError("prompt: there are no ids")
        if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= size:
            raise ValueError(f"prompt: ids are whole numbers from 0 to {size - 1}")
        return ids.tolist()

    def _run(self) -> None:
        while self._waiting.has_work(bool(self._running)):
            with self._turn:
                self._turn_once()

    def _turn_once(self) -> None:
        for job in [job for job in self._running.values() if job.cancelled]:
            self._end(job, "cancelled")
        self._admit()
        try:
            news = self.decoder.advance()
        except Exception as error:  # whatever it is, the next requests can be written
            logger.exception("%d requests end: a step failed", len(self._running))
            for job in [*self._running.values()]:
                self._end(job, "error", f"{type(error).__name__}: {error}")
            self.decoder.reset()
            return
        for some in news:
            self._deliver(self._running[some.text], some)
        written = sum(len(some.token_ids) for some in news)
        self._numbers = {
            "tokens_written": self._numbers["tokens_written"] + written,
            "cache_in_use": self.decoder.in_use,
            "steps": self.decoder.calls,
        }

    def _admit(self) -> None:
        """Gives free slots to those that wait longest; who has cancelled goes."""
        for job in self._waiting.dismiss():
            job.finish("cancelled")
        while self.decoder.free and (job := self._waiting.take()) is not None:
            if not job.work.max_new_tokens:
                job.finish("length")
            else:
                self._running[job.work] = job
                self.decoder.join(job.work)

    def _deliver(self, job: Job, news: News) -> None:
        """Sends what of a text has become clear."""
        at_end = news.token_ids[-1] in job.work.stop_ids
        reason = job.deliver(news.token_ids, news.scores, news.ended, at_end)
        if reason is None:
            self._forget(job)
        elif reason:
            self._end(job, reason)

    def _end(self, job: Job, reason: str, message: str = "") -> None:
        self._forget(job)
        job.finish(reason, message)

    def _forget(self, job: Job) -> None:
        self.decoder.leave(job.work)
        del self._running[job.work]

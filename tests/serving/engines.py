"""An engine that writes what a script says, a character at a time."""

from __future__ import annotations

import itertools
import re
import threading
import time

from massivetext_keras.serving.requests import Finish, Piece, QueueFull


def script(prompt: str, seed: int):
    """The characters that follow a prompt.

    What begins with # in it comes back, so that a test sees whose answer it has.
    """
    if "crash" in prompt:
        raise RuntimeError("out of memory")
    if "forever" in prompt:
        return itertools.cycle("on and ")
    if "reveal" in prompt:
        return iter("Well. The SECRET  Plan is here. More.")
    marks = " ".join(re.findall(r"#\w+", prompt))
    return iter(f" {len(prompt)} characters{marks and ' '}{marks}, seed {seed}.")


class Ticket:
    def __init__(self):
        self.cancelled = threading.Event()

    def cancel(self):
        self.cancelled.set()


class ScriptedEngine:
    """Each request has a thread of its own.

    Args:
        task: whose tokenizer counts.
        seconds: between two characters.
        most: requests at a time; more are refused.
    """

    def __init__(self, task, seconds=0.0, most=64, write=script):
        self.task, self.seconds, self.most, self.write = task, seconds, most, write
        self.running = self.written = 0
        self._lock = threading.Lock()
        self.tickets = []

    def submit(self, request, on_event):
        if isinstance(request.prompt, str):
            prompt, count = request.prompt, self.count_tokens(request.prompt)
        else:
            ids = [list(request.prompt)]
            prompt = self.task.tokenizer.detokenize(ids).numpy()[0].decode()
            count = len(request.prompt)
        context = self.task.config.max_length
        if count + request.max_new_tokens > context:
            raise ValueError(
                f"prompt has {count} tokens, which with max_new_tokens="
                f"{request.max_new_tokens} exceed the context of {context}"
            )
        with self._lock:
            if self.running >= self.most:
                raise QueueFull(f"{self.running} requests wait")
            self.running += 1
        ticket = Ticket()
        self.tickets.append(ticket)
        args = [prompt, count, request, on_event, ticket]
        threading.Thread(target=self._run, args=args, daemon=True).start()
        return ticket

    def _run(self, prompt, count, request, on_event, ticket):
        try:
            reason, new = self._write(prompt, request, on_event, ticket)
            finish = Finish(reason, count, new)
        except RuntimeError as error:
            finish = Finish("error", count, 0, str(error))
        with self._lock:
            self.running -= 1
            self.written += finish.new_tokens
        on_event(finish)

    def _write(self, prompt, request, on_event, ticket):
        text, sent, new = "", 0, 0

        def send(end):
            nonlocal sent
            if end > sent:
                ids = tuple(text[sent:end].encode())
                probabilities = tuple(-0.5 for _ in ids) if request.logprobs else ()
                ids = tuple(i + self.offset for i in ids)
                on_event(Piece(text[sent:end], ids, probabilities))
                sent = end

        for character in self.write(prompt, request.seed):
            if ticket.cancelled.is_set():
                return "cancelled", new
            if new == request.max_new_tokens:
                send(len(text))
                return "length", new
            time.sleep(self.seconds)
            text, new = text + character, new + 1
            cuts = [text.find(stop) for stop in request.stop if stop in text]
            if cuts:
                send(min(cuts))
                return "stop", new
            begun = [
                k
                for stop in request.stop
                for k in range(1, len(stop))
                if text.endswith(stop[:k])
            ]
            send(len(text) - max(begun, default=0))
        send(len(text))
        return "stop", new

    @property
    def offset(self):
        """The id of the byte 0."""
        return int(self.task.tokenizer.tokenize("a").numpy()[0]) - ord("a")

    def count_tokens(self, text):
        return int(self.task.tokenizer.tokenize(text).shape[0])

    def warm_up(self):
        pass

    def statistics(self):
        return {
            "waiting": 0,
            "running": self.running,
            "slots": self.most,
            "tokens_written": self.written,
            "cache_in_use": self.running / self.most,
            "steps": self.written,
            "prefix_hits": 0,
        }

    def close(self):
        while self.running:
            time.sleep(0.01)

"""What a server asks of whatever writes texts, and what comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Protocol

from massivetext_keras.text.examples import Conversation


@dataclasses.dataclass(frozen=True)
class GenerationRequest:
    """One text to be written.

    Attributes:
        prompt: text, or ids of the tokenizer; of an export whose engine `chats`, also a
            conversation.
        max_new_tokens: tokens to write at the most.
        temperature, top_k, top_p, repetition_penalty: as `Sampling` has them.
        seed: of the sampling.
        stop: the text ends before the first of them.
        logprobs: whether the pieces have log-probabilities.
        ignore_end: write on after the end token.
        stop_ids: ids that end the text beside the task's own, such as what ends the
            reply of a chat.
    """

    prompt: str | tuple[int, ...] | Conversation
    max_new_tokens: int = 64
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    ignore_end: bool = False
    stop_ids: tuple[int, ...] = ()


class Piece(NamedTuple):
    """Text that is cleared to be sent, with the tokens that it is made of."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


class Finish(NamedTuple):
    """The end of a text.

    Attributes:
        reason: "stop", "length", "cancelled" or "error".
        prompt_tokens, new_tokens: how many were read and written.
        message: of an error.
    """

    reason: str
    prompt_tokens: int
    new_tokens: int
    message: str = ""


class QueueFull(Exception):
    """As many requests wait as may."""


class Ticket(Protocol):
    """A request that was taken."""

    def cancel(self) -> None:
        """Frees the slot at the next step."""


class GenerationEngine(Protocol):
    """Writes the texts of many requests at a time, in a thread of its own."""

    def submit(
        self, request: GenerationRequest, on_event: Callable[[Piece | Finish], None]
    ) -> Ticket:
        """Takes a request, from any thread.

        Args:
            request: what is to be written.
            on_event: called from the engine's thread, at last with a `Finish`.

        Raises:
            ValueError: the request can never run; names the field.
            QueueFull: as many wait as may.
        """

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""

    def warm_up(self) -> None:
        """Compiles what is to be compiled."""

    def statistics(self) -> dict[str, float]:
        """waiting, running, slots, tokens_written, cache_in_use (0 to 1), steps and
        prefix_hits."""

    def close(self) -> None:
        """Lets what runs end, then ends the thread."""

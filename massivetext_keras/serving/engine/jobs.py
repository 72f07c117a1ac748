"""A request that an engine has taken, and what its client is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from massivetext_keras.serving.engine.clearing import Clearing
from massivetext_keras.serving.requests import Finish, Piece

logger = logging.getLogger(__name__)


class Job:
    """A request that was taken; the `Ticket` of who gave it.

    Args:
        work: what is to be written, as the engine has it.
        clearing: what of the text may be sent.
        on_event: who is told.
        prompt_tokens: as far as they are known.

    Attributes:
        cancelled: whether it is not wanted any more.
    """

    def __init__(
        self,
        work: Any,
        clearing: Clearing,
        on_event: Callable[[Piece | Finish], None],
        prompt_tokens: int = 0,
    ):
        self.work, self.clearing, self.on_event = work, clearing, on_event
        self.prompt_tokens, self.cancelled = prompt_tokens, False

    def cancel(self) -> None:
        """Frees the slot at the next step."""
        self.cancelled = True

    def tell(self, event: Piece | Finish) -> bool:
        """Whether an event was taken; an error of who takes it is logged."""
        try:
            self.on_event(event)
        except Exception:
            logger.exception("a request ends: its events are not taken")
            return False
        return True

    def deliver(
        self, token_ids: list[int], scores: list[float], ended: bool, at_end: bool
    ) -> str | None:
        """Sends what of a text has become clear.

        Args:
            token_ids, scores: that are new, and their log-probabilities.
            ended: whether they are the last ones.
            at_end: whether the last of them is one that ends texts.

        Returns:
            Why the text ends, "" if it goes on, None if its events are not taken.
        """
        piece = self.clearing.add(token_ids, scores, ended)
        if (piece.text or piece.token_ids) and not self.tell(piece):
            return None
        if not (ended or self.clearing.stopped):
            return ""
        return "stop" if self.clearing.stopped or at_end else "length"

    def finish(self, reason: str, message: str = "") -> None:
        """The last event."""
        self.tell(Finish(reason, self.prompt_tokens, self.clearing.count, message))

"""One text that is written in a slot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(eq=False)
class Text:
    """One text that is written.

    Attributes:
        prompt: ids, at least one.
        max_new_tokens: at least 1.
        sampling: numbers in the order of `SamplingTensors`.
        stop_ids: ids that end it, at most `MOST_STOP_IDS`.
        scored: whether log-probabilities are wanted.
        slot: where it is (None: nowhere, before it joins and after it has ended).
        read: tokens of the prompt that are read; its last one is not, since the step
            that reads it writes the first token.
        shared: tokens of the prompt that another text had read already.
        memory: what the model remembers of a prompt that is read in part.
    """

    prompt: Sequence[int]
    max_new_tokens: int
    sampling: Sequence[float]
    stop_ids: Sequence[int] = ()
    scored: bool = False
    slot: int | None = None
    read: int = 0
    shared: int = 0
    memory: tf.Tensor | None = None

    @property
    def unread(self) -> int:
        """Tokens to read before the first one is written."""
        return len(self.prompt) - 1 - self.read

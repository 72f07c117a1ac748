"""The next token, of rows that go on where those of the batch before ended."""

from __future__ import annotations

import dataclasses

from massivetext_keras.data.batching.streams import stream_batches, stream_validation
from massivetext_keras.data.objectives.base import Objective, objective


@objective("stream")
@dataclasses.dataclass(frozen=True)
class Stream(Objective):
    """As `causal`, but each row of a batch goes on where that of the batch before
    ended, and a recurrent model from its states: truncated backpropagation through time
    (Williams & Peng, 1990; Zaremba et al., 2014).

    The task is one with `carries_states`, compiled with `carry_rows`.
    """

    batches = "next tokens"

    def check(self, task):
        if not getattr(task, "carries_states", False):
            raise ValueError(
                "objective 'stream' is for a CausalLM with a recurrent model: use "
                "'causal'"
            )

    def training(self, task, items, how):
        length = how.length or task.config.max_length
        row = task.token_row(items, how.progress)
        return stream_batches(row, how.rows, length, how.seed, how.start)

    def validation(self, task, items, how):
        length = how.length or task.config.max_length
        return stream_validation(task.token_row(items, False), how.rows, length)

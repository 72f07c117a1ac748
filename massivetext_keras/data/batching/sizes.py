"""How many examples, or tokens, make a batch, and which batch comes first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Batching:
    """How examples become batches.

    Attributes:
        batch_size: rows of the global batch, or None.
        batch_tokens: tokens of a batch, padding included, or None.
        length: tokens of a row (None: the model's `max_length`).
        seed: of the order of the training batches.
        start: number of the first of them.
        progress: show a bar.
        options: what one task has and others have not.
        objective: a `data.objectives.Objective` (None: the task's own).
    """

    batch_size: int | None
    batch_tokens: int | None = None
    length: int | None = None
    seed: int = 0
    start: int = 0
    progress: bool = True
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    objective: Any = None

    @property
    def sizes(self) -> tuple[int | None, int | None, int | None]:
        """Rows of a batch, or its tokens, and tokens of a row."""
        return self.batch_size, self.batch_tokens, self.length

    @property
    def rows(self) -> int:
        """Rows of a batch.

        Raises:
            ValueError: the batch is to have so many tokens.
        """
        if self.batch_size is None:
            raise ValueError("batch_tokens: this task takes rows, give batch_size")
        return self.batch_size

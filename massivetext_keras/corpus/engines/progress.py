"""What a stage has done so far, and a bar that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from massivetext_keras.corpus.engines.guard import Counts


@dataclass(frozen=True)
class Progress:
    """Where a stage is.

    Args:
        stage: name of the folder that it writes.
        parts: of the stage.
        parts_done: of these, also in runs before.
        counts: what functions said (`guard.count`) in this run.
        quarantined: documents that were left out in this run.
    """

    stage: str
    parts: int
    parts_done: int
    counts: Counts = Counts()
    quarantined: int = 0

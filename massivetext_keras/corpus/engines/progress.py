"""What a stage has done so far, told a few times a second, and a bar that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from massivetext_keras.corpus.engines.guard import Counts
from massivetext_keras.corpus.engines.tasks import Task

_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Progress:
    """Where a stage is.

    Args:
        stage: name of the folder that it writes.
        parts: of the stage.
        parts_done: of these, also in runs before.
        parts_before: of these, in runs before.
        counts: what functions said (`guard.count`) in this run.
        quarantined: documents that were left out in this run.
        seconds: since this run of the stage began.
    """

    stage: str
    parts: int
    parts_done: int
    parts_before: int = 0
    counts: Counts = Counts()
    quarantined: int = 0
    seconds: float = 0.0

    @property
    def speed(self) -> str:
        """For people: what is done in a second, and how much of it is kept.

        >>> Progress("clean", 9, 4, 0, Counts(300, 5_000_000, 200), 1, 2.0).speed
        '150 documents/s, 2.5 MB/s, 67% kept, 1 quarantined'
        """
        documents, size, kept = self.counts
        if not documents:
            return ""
        seconds = max(self.seconds, 1e-9)
        said = [f"{documents / seconds:,.0f} documents/s"]
        said += [f"{size / seconds / 1e6:,.1f} MB/s"] if size else []
        said += [f"{kept / documents:.0%} kept"]
        said += [f"{self.quarantined} quarantined"] if self.quarantined else []
        return ", ".join(said)


class Report:
    """Tells somebody of a stage.

    Args:
        tasks: of the stage.
        left: how many of them are not done yet.
        tell: is called with a `Progress`, if not None.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        left: int,
        tell: Callable[[Progress], Any] | None,
    ):
        self._tell = tell
        self._stage = tasks[0].output.parent.name if tasks else ""
        self._parts = len(tasks)
        self._before = len(tasks) - left
        self._start = self._told = time.monotonic()
        self.parts_done = self._before
        self.counts = Counts()
        self.quarantined = 0

    def finish(self, counts: Counts, quarantined: int = 0) -> None:
        """Adds a part that was made."""
        self.parts_done += 1
        self.counts += counts
        self.quarantined += quarantined

    def show(self, *running: Counts, last: bool = False) -> None:
        """Tells, if it is time to; `running` is what unfinished parts have counted."""
        now = time.monotonic()
        if self._tell is None or not (last or now - self._told > _EVERY):
            return
        self._told = now
        self._tell(
            Progress(
                self._stage,
                self._parts,
                self.parts_done,
                self._before,
                sum(running, self.counts),
                self.quarantined,
                now - self._start,
            )
        )


class Bar:
    """Shows progress on the terminal, a line for each stage.

    Args:
        sizes: stage -> bytes that its functions will count (`guard.count`), where
            that is known; the bar moves with bytes then, and with parts otherwise.
        options: more arguments of `tqdm`.

    >>> bar = Bar({"clean": 10_000_000}, disable=True)
    >>> bar(Progress("clean", 9, 4, 0, Counts(300, 5_000_000, 200), 0, 2.0))
    >>> bar.close()
    """

    def __init__(self, sizes: Mapping[str, int] | None = None, **options: Any):
        self._sizes = sizes or {}
        self._options = options
        self._stage: str | None = None
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Draws."""
        size = self._sizes.get(progress.stage)
        if self._stage != progress.stage:
            self.close()
            self._open(progress, size)
        if size:
            # What runs before have counted is not known: parts tell about how much.
            before = size * progress.parts_before / progress.parts
            self._bar.n = min(int(before) + progress.counts.bytes, size)
        else:
            self._bar.n = progress.parts_done
        if progress.parts_done == progress.parts:
            self._bar.n = self._bar.total
        self._bar.set_postfix_str(progress.speed, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._bar.close()
        self._stage = self._bar = None

    def _open(self, progress: Progress, size: int | None) -> None:
        from tqdm import tqdm

        self._stage = progress.stage
        self._bar = tqdm(
            desc=progress.stage,
            total=size or progress.parts,
            bar_format="{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining}"
            "{postfix}",
            **{"disable": None, **self._options},
        )

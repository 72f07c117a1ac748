"""A line about a run that a person can read."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import TextIO

from tqdm import tqdm

from massivetext_keras.distribution.workers import devices_of, has_workers
from massivetext_keras.training.callbacks.step import StepCallback
from massivetext_keras.training.callbacks.time_limit import TimeLimit
from massivetext_keras.training.watching.meter import Meter

_BETWEEN = 1.0  # seconds between two states of a terminal's line


class Progress(StepCallback):
    """Says how far a run is, in place of Keras's bar: give `fit` `verbose=0` with it.

    On a terminal one line is written anew every second; elsewhere, as in a file or a
    pipe, a line is written every `every` updates. Loss and bits per byte are means
    since the line before. An evaluation has a line of its own. A first step that takes
    long says what it is waiting for.

    Args:
        total: updates of the whole run (None: those of this `fit`, if it knows).
        limit: what ends the run by the clock, instead of a number of updates.
        every: updates between lines where there is no terminal.
        file: to write to (None: standard error).
        patience: seconds until a silent first step says something; three times as many
            until it does again (None: it says nothing).

    Raises:
        ValueError: `every` is not positive.

    >>> Progress(total=1000, every=50).total
    1000
    """

    def __init__(
        self,
        total: int | None = None,
        every: int = 50,
        file: TextIO | None = None,
        patience: float | None = 10.0,
        limit: TimeLimit | None = None,
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be positive, got {every}")
        self.total, self.every, self.file = total, every, file
        self.patience, self.limit = patience, limit
        self._training = False

    def set_model(self, model):
        super().set_model(model)
        self._meter = Meter(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._training = True
        self._out = self.file or sys.stderr
        self._last = None if self.limit else self.total or self._planned()
        self._meter.take()
        self._made, self._spent = None, 0.0  # updates and time of a steady pace
        self._shown = time.monotonic()
        self._bar = None
        if self.is_chief and self._out.isatty():
            # The bar's words are ours; `total` 0 is a bar that shows no share.
            total = self.limit.seconds if self.limit else self._last
            self._bar = tqdm(
                total=total,
                initial=self._done(),
                file=self._out,
                bar_format="{bar:20} {desc}" if total else "{desc}",
                dynamic_ncols=True,
            )
        fit = type(self.model).fit.__code__
        self._watch = FirstStep(self._say, fit, self.patience or 0.0)
        if self.is_chief and self.patience is not None:
            self._watch.start()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self._meter.resume(reset=True)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        self._watch.stop()
        if self._made is not None:
            self._made += self.step - self._previous
        due = self.is_due(self.every)
        # Several workers read their trackers together or not at all.
        if self._bar is not None and not self._has_others():
            due = time.monotonic() - self._shown >= _BETWEEN
        if due:
            self._meter.collect()
            self._show()

    def on_test_begin(self, logs=None):
        if self._training:
            self._meter.collect()

    def on_test_end(self, logs=None):
        if self._training:
            self.read_step()
            self._say(f"step {self.step:,}, evaluation: {_results(logs)}")
            self._meter.resume()

    def on_epoch_end(self, epoch, logs=None):
        self._meter.collect()

    def on_train_end(self, logs=None):
        self._watch.stop()
        self._show()
        if self._bar is not None:
            self._bar.close()
        self._training = False

    def _show(self) -> None:
        """Writes the line, if anything happened since the one before."""
        gains = self._meter.take()
        means = gains.means()
        if "loss" not in means:
            return
        self._shown = time.monotonic()
        self.read_step()  # training may have gone back to a checkpoint
        of = f" of {self._last:,}" if self._last else ""
        parts = [f"step {self.step:,}{of}", _results(means)]
        if self._made is None:  # the first interval holds the compilation
            self._made = 0
        else:
            parts.append(f"{gains.tokens / gains.seconds:,.0f} tokens/s")
            self._spent += gains.seconds
            if self.limit:
                parts.append(f"{duration(self.limit.seconds_left)} left")
            elif self._last:
                left = max(0, self._last - self.step) * self._spent / self._made
                parts.append(f"{duration(left)} left")
        line = ", ".join(parts)
        if self._bar is None:
            self._say(line)
        else:
            self._bar.n = self._done()
            self._bar.set_description_str(line)

    def _done(self) -> float:
        """What the bar counts: seconds of a run by the clock, else updates."""
        if self.limit is None:
            return self.step
        return self.limit.seconds - self.limit.seconds_left

    def _say(self, line: str) -> None:
        if not self.is_chief:
            return
        tqdm.write(line, file=self._out)
        self._out.flush()

    def _planned(self) -> int | None:
        epochs, steps = self.params.get("epochs"), self.params.get("steps")
        return self.step + epochs * steps if epochs and steps else None

    def _has_others(self) -> bool:
        return has_workers(devices_of(self.model))


class FirstStep(threading.Thread):
    """Says what a silent first step is doing, again and again.

    It ends with `stop`, and by itself when its creator's thread has left `fit`.

    Args:
        say: takes a line.
        fit: code of the function that the creator's thread is in.
        patience: seconds until the first word; three times as many until each other.
    """

    def __init__(self, say: Callable[[str], None], fit: CodeType, patience: float):
        super().__init__(name="first step", daemon=True)
        self.say, self.fit, self.patience = say, fit, patience
        self.watched = threading.get_ident()
        self.ended = threading.Event()

    def run(self):
        begun, wait = time.monotonic(), self.patience
        while not self.ended.wait(wait):
            doing = self._doing()
            if doing is None:
                return
            self.say(f"{doing}: {duration(time.monotonic() - begun)} so far")
            wait = 3 * self.patience

    def stop(self) -> None:
        """Ends it; it says nothing more after that."""
        self.ended.set()
        if self.is_alive():
            self.join()

    def _doing(self) -> str | None:
        """What the watched thread is at; None if it is not in `fit` any more."""
        frame: FrameType | None = sys._current_frames().get(self.watched)
        building = False
        while frame is not None and frame.f_code is not self.fit:
            building |= frame.f_code.co_name == "func_graph_from_py_func"
            frame = frame.f_back
        if frame is None:
            return None
        if building:
            return "building the graph of the first step"
        return "compiling and running the first step, with its first batch"


def _results(values: Mapping[str, float]) -> str:
    """Loss and, where they are known, bits per byte.

    >>> _results({"loss": 4.53412, "bits_per_byte": 2.05})
    'loss 4.534, 2.050 bits per byte'
    """
    bits = values.get("bits_per_byte")
    return f"loss {values['loss']:.3f}" + (
        "" if bits is None else f", {bits:.3f} bits per byte"
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> [duration(s) for s in (9.6, 75, 3700, 200_000)]
    ['10 s', '1 min 15 s', '1 h 01 min', '2 d 07 h']
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600:02} h"

"""What a task's answers are worth, measured while it trains."""

from __future__ import annotations

import contextlib
import json
import logging
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras.evaluation import LOWER_IS_BETTER
from massivetext_keras.optimization.averaging import averaged
from massivetext_keras.saving.presets import read_preset
from massivetext_keras.support.files import read_json, write_json
from massivetext_keras.support.values import choose
from massivetext_keras.text.framing import utf8
from massivetext_keras.training.callbacks.step import StepCallback, recording

logger = logging.getLogger(__name__)

MEASURES = "measures.json"
_PACKAGE = __name__.partition(".")[0]
_SHOWN = 5  # answers in TensorBoard


class Measure(StepCallback):
    """Measures a task on examples when an epoch ends, and keeps the best weights.

    Each measure is logged, added to the epoch's logs as `measure_NAME`, and, with a
    folder, written to TensorBoard's run `validation` as `measure/NAME`, beside the
    task's pictures and its first answers; `measures.json` has those of the weights that
    are kept.

    Args:
        examples: of the task, with what should be said of them.
        keep_best: the measure whose best weights a model has when training ends (None:
            it has the last ones).
        run_dir: folder of the run; the best weights are kept in `best` in it, for a run
            that goes on (None: in memory).

    Attributes:
        best: measures of the weights that are kept, or else of the last ones.

    >>> Measure([], keep_best="f1").best
    {}
    """

    def __init__(
        self,
        examples: Sequence[Any],
        keep_best: str | None = None,
        run_dir: str | Path | None = None,
    ):
        super().__init__()
        self.examples, self.keep_best = list(examples), keep_best
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.best: dict[str, float] = {}
        self._kept: list[np.ndarray] = []
        self._said: set[str] = set()
        self._writer: tf.summary.SummaryWriter | None = None

    @property
    def _folder(self) -> Path | None:
        return None if self.run_dir is None else self.run_dir / "best"

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        if self.keep_best:  # a wrong name is said before the work, not after it
            some = self.examples[:2]
            with warnings_left_out(lambda said: True):
                known = self.model.measure(some, self.model.predictions(some))
            choose("measure", self.keep_best, known)
        if self.step and self.keep_best and self._folder and not self.best:
            path = self._folder / MEASURES
            self.best = read_json(path) if path.exists() else {}

    def on_epoch_end(self, epoch, logs=None):
        self.read_step()
        with averaged(self.model):
            self._measure(logs)

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _measure(self, logs: dict | None) -> None:
        with warnings_left_out(self._is_known):
            predictions = self.model.predictions(self.examples)
            values = self.model.measure(self.examples, predictions)
        logger.info("step %d: %s", self.step, described(values))
        if logs is not None:
            logs.update({f"measure_{name}": value for name, value in values.items()})
        if self.run_dir is not None and self.is_chief:
            self._record(self.run_dir, values, predictions)
        if self._is_best(values):
            self.best = dict(values)
            if self.keep_best:
                self._keep()

    def take_best(self) -> None:
        """Gives the model its best weights again, where they are to be kept."""
        if not (self.keep_best and self.best):
            return
        if self._folder is not None and self.model.adapted():
            self.model.load_adapters(self._folder)
        elif self._folder is not None:
            _, tensors = read_preset(self._folder)
            self.model.take_weights(tensors, str(self._folder))
        else:
            for variable, value in zip(self.model.weights, self._kept, strict=True):
                variable.assign(value)
        values = described(self.best)
        logger.info("kept are the weights with the best %s: %s", self.keep_best, values)

    def _is_known(self, said: str) -> bool:
        """Whether it was said after an earlier epoch: the examples stay the same."""
        known = said in self._said
        self._said.add(said)
        return known

    def _is_best(self, values: dict[str, float]) -> bool:
        if not (self.keep_best and self.best):
            return True
        new, old = values[self.keep_best], self.best[self.keep_best]
        return new < old if self.keep_best in LOWER_IS_BETTER else new > old

    def _keep(self) -> None:
        if self._folder is None:
            self._kept = [weight.numpy() for weight in self.model.weights]
        elif self.is_chief:
            adapted = self.model.adapted()
            save = self.model.save_adapters if adapted else self.model.save_preset
            save(self._folder)
            write_json(self._folder / MEASURES, self.best)

    @recording("the measures")
    def _record(self, run_dir: Path, values: dict[str, float], predictions) -> None:
        if self._writer is None:
            folder = str(run_dir / "validation")
            self._writer = tf.summary.create_file_writer(folder)
        with self._writer.as_default(self.step):
            for name, value in values.items():
                tf.summary.scalar(f"measure/{name}", value)
            first = zip(self.examples[:_SHOWN], predictions, strict=False)
            tf.summary.text("answers", [_shown(*pair) for pair in first])
            if hasattr(self.model, "pictures"):
                drawn = self.model.pictures(self.examples, predictions)
                for name, picture in drawn.items():
                    tf.summary.image(name, picture[None])
        self._writer.flush()


@contextlib.contextmanager
def warnings_left_out(is_left_out: Callable[[str], bool]) -> Iterator[None]:
    """Asks, of what the library's loggers say meanwhile, which to leave out."""
    loggers = [
        logging.getLogger(name)
        for name in logging.root.manager.loggerDict
        if name.startswith(_PACKAGE)
    ]

    def says_more(record: logging.LogRecord) -> bool:
        return not is_left_out(record.getMessage())

    for each in loggers:
        each.addFilter(says_more)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(says_more)


def _shown(example: Any, prediction: Any) -> bytes:
    """An example and the answer to it, indented: Markdown keeps the lines."""
    fields = {name: x for name, x in example._asdict().items() if x is not None}
    whole = {**fields, "prediction": prediction}
    text = json.dumps(whole, ensure_ascii=False, indent=2)
    return utf8(textwrap.indent(text, " " * 4))


def described(values: dict[str, float]) -> str:
    """Measures as a line for people, those of single labels left out.

    >>> described({"f1": 0.91234, "accuracy": 0.9, "f1/cat": 1.0})
    'f1 0.9123, accuracy 0.9000'
    """
    whole = {name: value for name, value in values.items() if "/" not in name}
    return ", ".join(f"{name} {value:.4f}" for name, value in whole.items())

"""Pictures of what a task's answers depend on, while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras.explain.methods import METHODS, explain
from massivetext_keras.explain.page import draw
from massivetext_keras.support.extras import need
from massivetext_keras.support.values import check_least, choose
from massivetext_keras.text.strings import as_texts
from massivetext_keras.training.callbacks.step import StepCallback, recording


class ExplanationPictures(StepCallback):
    """Draws which words of some texts an answer depends on, for TensorBoard.

    The run `train` in the folder gets the image `explanation`, all texts with their
    words on colours: before the first update, and when an epoch ends, or every so many
    updates. TensorBoard shows it with a slider from step to step. Of runs in
    `experiment.json` it is `train.callbacks` with the name
    "massivetext_keras.training:ExplanationPictures".

    Args:
        texts: that are explained, the same each time.
        log_dir: folder of the run, as that of `TensorBoard`.
        method: see `explain.explain`.
        target: what is explained; None, what the task says at the time.
        every: updates between pictures (0: one an epoch).
        **options: of `explain.explain`, such as `output="probability"`.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the method is unknown, `every` is negative, or there are no texts;
            when training begins, what `explain` refuses.

    >>> ExplanationPictures(["a fine film"], "runs/1", "occlusion", "good").every
    0
    """

    def __init__(
        self,
        texts: str | Sequence[str],
        log_dir: str | Path,
        method: str = "integrated_gradients",
        target: Any = None,
        every: int = 0,
        **options: Any,
    ):
        super().__init__()
        need("matplotlib", "plot")
        choose("method", method, METHODS)
        check_least(0, every=every)
        self.texts, _ = as_texts("text", texts)
        if not self.texts:
            raise ValueError("texts: there are none to explain")
        self.log_dir, self.method, self.target = Path(log_dir), method, target
        self.every, self.options = every, options
        self._writer: tf.summary.SummaryWriter | None = None

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        if not self.step:
            self._draw()

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        if self.is_due(self.every):
            self._draw()

    def on_epoch_end(self, epoch, logs=None):
        if not self.every:
            self._draw()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            with recording("the end of the run"):
                self._writer.close()
        self._writer = None

    def _draw(self) -> None:
        if not self.is_chief:
            return
        how = {"target": self.target, **self.options}
        found = explain(self.model, self.texts, self.method, **how)
        picture = draw(found)
        with recording("an explanation"):
            if self._writer is None:
                folder = str(self.log_dir / "train")
                self._writer = tf.summary.create_file_writer(folder)
            with self._writer.as_default(self.read_step()):
                tf.summary.image("explanation", picture[None])
            self._writer.flush()

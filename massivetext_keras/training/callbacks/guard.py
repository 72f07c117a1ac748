"""What becomes of batches whose loss or gradients are not finite."""

from __future__ import annotations

import logging
from collections.abc import Callable

from massivetext_keras.training.callbacks.checkpoint import Checkpoint
from massivetext_keras.training.callbacks.step import StepCallback

logger = logging.getLogger(__name__)


class Guard(StepCallback):
    """Names the batches that the training step skipped; goes back when they are many.

    A batch whose loss or gradients are not finite changes no weight. After `patience`
    of them in a row, all weights and the optimizer's state become those of the newest
    checkpoint that followed a good batch, as Chowdhery et al. (2022, section 5.1) did
    by hand. The count of batches alone stays, so training goes on with the batch after
    the bad ones, at its own learning rate and with its own dropout; those between the
    checkpoint and the bad ones are not seen again before the next epoch.

    Args:
        checkpoint: of the run; comes before this one among the callbacks.
        patience: bad batches in a row until it goes back.
        returns: times it goes back to one and the same checkpoint before it gives up.
        describe: number of a batch to its example ids, for the log (None: not known).

    Raises:
        ValueError: `patience` or `returns` is not positive.
        RuntimeError: in training, when it gives up.

    >>> Guard(Checkpoint("runs/1"), patience=5).patience
    5
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        patience: int = 10,
        returns: int = 3,
        describe: Callable[[int], str] | None = None,
    ):
        super().__init__()
        if patience < 1 or returns < 1:
            raise ValueError(f"patience={patience} and returns={returns} must be > 0")
        self.checkpoint, self.describe = checkpoint, describe
        self.patience, self.returns = patience, returns
        self._target, self._times = -1, 0  # step it went back to, and how often

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        in_row = int((logs or {}).get("skipped_in_row", 0))
        for k in range(max(self._previous, self.step - in_row), self.step):
            examples = f": {self.describe(k)}" if self.describe else ""
            logger.warning("batch %d is skipped, it is not finite%s", k, examples)
        if in_row >= self.patience:
            self._go_back(in_row)

    def _go_back(self, in_row: int) -> None:
        target = self.checkpoint.go_back(self.model)
        self._times = self._times + 1 if target == self._target else 1
        self._target = target
        bad = f"{in_row} batches in a row were not finite"
        if not target or self._times > self.returns:
            tried = f", {self.returns} times from step {target} on" if target else ""
            raise RuntimeError(
                f"{bad}{tried}: start anew (--resume=never) with a lower "
                "optimizer.learning_rate or optimizer.clip_norm, or with "
                "train.precision=float32"
            )
        logger.warning(
            "%s: back to the weights of step %d, on with batch %d",
            bad,
            target,
            self.step,
        )

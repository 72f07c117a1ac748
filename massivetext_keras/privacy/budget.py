"""Says what training has told of its rows so far, and ends it in time."""

from __future__ import annotations

import logging

import keras

from massivetext_keras.privacy.accounting import epsilon, updates_within

logger = logging.getLogger(__name__)


class PrivacyBudget(keras.callbacks.Callback):
    """Adds `epsilon` to the logs of each update and epoch, and stops training at a
    budget.

    For a task that was compiled with `privacy`. Put before `TensorBoard` it is shown
    there, too. Updates are counted by the optimizer, so a resumed run goes on with its
    count.

    Args:
        rows: of the training data.
        batch_size: of the global batch, with "poisson" on average.
        most: epsilon that must not be exceeded (None: training is not stopped).
        accountant: see `epsilon`.

    Raises:
        ValueError: as training begins: the task has no `privacy`, or with the next
            update the budget would be exceeded.

    >>> PrivacyBudget(rows=6_918, batch_size=256, most=8.0).most
    8.0
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        most: float | None = None,
        accountant: str = "rdp",
    ):
        super().__init__()
        self.rows, self.batch_size = rows, batch_size
        self.most, self.accountant = most, accountant
        self._last: int | None = None
        self._known: dict[int, float] = {}  # updates -> epsilon

    def on_train_begin(self, logs=None):
        privacy = self.model.privacy
        if privacy is None:
            raise ValueError("compile the task with privacy=DPSGD(…) for a budget")
        if self.most is not None:
            sizes = self.rows, self.batch_size, self.accountant
            self._last = updates_within(self.most, privacy, *sizes)
            if not self._last:
                raise ValueError(
                    f"most={self.most}: the first update would exceed it: take a "
                    "larger noise_multiplier"
                )
            if self._is_spent:
                raise ValueError(
                    f"most={self.most}: {self._updates} updates were made, and more "
                    "would exceed it"
                )

    def on_train_batch_end(self, batch, logs=None):
        if logs is not None:
            logs["epsilon"] = self.spent()
        if self._is_spent:
            self.model.stop_training = True
            logger.info(
                "stopped after %d updates: one more would exceed epsilon %g",
                self._updates,
                self.most,
            )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["epsilon"] = self.spent()

    def spent(self) -> float:
        """Epsilon of the updates so far."""
        updates, privacy = self._updates, self.model.privacy
        if privacy.sampling == "epochs":  # it is that of whole passes
            updates = -(-updates // self._of_a_pass) * self._of_a_pass
        if updates not in self._known:
            sizes = self.rows, self.batch_size, updates
            self._known[updates] = epsilon(privacy, *sizes, self.accountant)
        return self._known[updates]

    @property
    def _of_a_pass(self) -> int:
        return -(-self.rows // self.batch_size)

    @property
    def _is_spent(self) -> bool:
        at_once = self.model.steps_per_execution or 1
        return self._last is not None and self._updates + at_once > self._last

    @property
    def _updates(self) -> int:
        return int(self.model.optimizer.iterations)

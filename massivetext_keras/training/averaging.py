"""Evaluation with a running mean of the weights (Polyak & Juditsky, 1992)."""

from __future__ import annotations

import keras
import numpy as np


class AveragedWeights(keras.callbacks.Callback):
    """Evaluates with the means that an optimizer made with `ema=` keeps.

    Training goes on with the weights as they were, bit for bit. It comes before other
    callbacks that look at weights when an evaluation ends.

    >>> AveragedWeights().kept is None
    True
    """

    kept: list[np.ndarray] | None = None

    def on_test_begin(self, logs=None):
        optimizer = self.model.optimizer
        if optimizer.use_ema and optimizer.built and int(optimizer.iterations) > 0:
            self.kept = [v.numpy() for v in self.model.trainable_variables]
            take_averages(self.model)

    def on_test_end(self, logs=None):
        if self.kept is not None:
            pairs = zip(self.model.trainable_variables, self.kept, strict=True)
            for variable, value in pairs:
                variable.assign(value)
            self.kept = None


def take_averages(model: keras.Model) -> None:
    """Replaces a model's weights by the means that its optimizer keeps.

    Raises:
        ValueError: it keeps none.
    """
    if not model.optimizer.use_ema:
        raise ValueError("the optimizer keeps no means: make it with ema=0.999 or so")
    averages = model.optimizer._model_variables_moving_average
    for variable, mean in zip(model.trainable_variables, averages, strict=True):
        variable.assign(mean.numpy())

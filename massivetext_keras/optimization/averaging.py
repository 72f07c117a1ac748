"""Evaluation with a running mean of the weights (Polyak & Juditsky, 1992)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from massivetext_keras.distribution.sharded import ShardedVariable
from massivetext_keras.optimization.keras_seams import averages_of, held_by


class AveragedWeights(keras.callbacks.Callback):
    """Evaluates with the means that an optimizer made with `ema=` keeps.

    Training goes on with the weights as they were, bit for bit. It comes before other
    callbacks that look at weights when an evaluation ends.

    >>> AveragedWeights().evaluating
    """

    evaluating: contextlib.ExitStack | None = None

    def on_test_begin(self, logs=None):
        self.evaluating = contextlib.ExitStack()
        self.evaluating.enter_context(averaged(self.model))

    def on_test_end(self, logs=None):
        self.evaluating.close()
        self.evaluating = None


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """In it, a model in training has the means that its optimizer keeps, if it keeps
    any; after it, the weights as they were, bit for bit."""
    optimizer = model.optimizer
    if not (optimizer.use_ema and optimizer.built and int(optimizer.iterations) > 0):
        yield
        return
    kept = [_value(variable) for variable in model.trainable_variables]
    take_averages(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, kept, strict=True):
            _set(variable, value)


def take_averages(model: keras.Model) -> None:
    """Replaces a model's weights by the means that its optimizer keeps.

    Raises:
        ValueError: it keeps none.
    """
    if not model.optimizer.use_ema:
        raise ValueError("the optimizer keeps no means: make it with ema=0.999 or so")
    averages = averages_of(model.optimizer)
    for variable, mean in zip(model.trainable_variables, averages, strict=True):
        _set(variable, _value(mean))


def _value(variable: keras.Variable):
    """Of a variable on a mesh it stays on the devices."""
    held = held_by(variable)
    return held.on_devices() if isinstance(held, ShardedVariable) else variable.numpy()


def _set(variable: keras.Variable, value) -> None:
    held = held_by(variable)
    if isinstance(held, ShardedVariable):
        held.take(held.split_alike(value))
    else:
        variable.assign(value)

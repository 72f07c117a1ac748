"""What users of Keras override or hand in, and a task's `fit` would pass over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from massivetext_keras.optimization.keras_seams import better

_SEE = 'see "A loss of your own" in docs/training.md'
_INSTEAD = {
    "compute_loss": "override summed_loss, or use add_loss in call",
    "compute_metrics": "add to tally_trackers in summed_loss",
}
_COMPILED = {
    "loss": "override summed_loss",
    "loss_weights": "override summed_loss",
    "metrics": "add to tally_trackers in summed_loss",
    "weighted_metrics": "add to tally_trackers in summed_loss",
}
_MODES: dict[str | None, str] = {"up": "max", "down": "min"}


def check_arguments(arguments: dict) -> None:
    """Refuses what `compile` of Keras takes for a loss and metrics.

    Raises:
        ValueError: names what is to be done instead.
    """
    for name, instead in _COMPILED.items():
        if arguments.get(name) is not None:
            raise ValueError(
                f"a task has its own loss and metrics: instead of {name}= {instead}; "
                f"{_SEE}"
            )


def check_methods(cls: type, base: type) -> None:
    """Refuses methods of a subclass that `train_step` or `test_step` do not call.

    Args:
        cls: of the task.
        base: whose steps and methods are the task's own.

    Raises:
        ValueError: names what is to be done instead.
    """
    steps = [n for n in ("train_step", "test_step") if not _overrides(cls, base, n)]
    for name, instead in _INSTEAD.items():
        if steps and _overrides(cls, base, name):
            raise ValueError(
                f"{cls.__name__}.{name} is not called by {' and '.join(steps)} of a "
                f"task: {instead}; {_SEE}"
            )


def _overrides(cls: type, base: type, name: str) -> bool:
    own = cls.__mro__[: cls.__mro__.index(base)]
    package = __name__.partition(".")[0] + "."
    return any(name in vars(c) for c in own if not c.__module__.startswith(package))


def choose_modes(callbacks: Any, metrics: Iterable[keras.metrics.Metric]) -> None:
    """Tells callbacks that monitor a metric with mode "auto" which values are better.

    Keras looks for that among metrics that were given to `compile` alone.

    Args:
        callbacks: what `fit` takes.
        metrics: of the task.
    """
    callbacks = getattr(callbacks, "callbacks", callbacks)  # of a CallbackList
    modes = {metric.name: _MODES.get(better(metric)) for metric in metrics}
    for callback in keras.tree.flatten(callbacks):
        if getattr(callback, "mode", None) == "auto":
            name = getattr(callback, "monitor", "").removeprefix("val_")
            callback.mode = modes.get(name) or "auto"

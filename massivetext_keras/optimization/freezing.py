"""Which weights of a model are trained."""

from __future__ import annotations

from collections.abc import Callable

import keras

from massivetext_keras.optimization.keras_seams import layers_of, mark_trainable
from massivetext_keras.support.values import matching


def freeze(model: keras.Model, pattern: str) -> list[str]:
    """Keeps the trained weights whose paths have a pattern as they are; their paths.

    Raises:
        ValueError: it is found in none, or is no expression.
    """
    weights = model.trainable_weights
    frozen = matching("frozen", pattern, [w.path for w in weights], "weight")
    for weight in weights:
        if weight.path in frozen:
            weight.trainable = False
    settle(model)
    return frozen


def unfreeze(model: keras.Model, pattern: str) -> list[str]:
    """Trains frozen weights whose paths have a pattern again; their paths.

    Whatever froze them: a weight, or a layer on the way to it, with `trainable=False`.

    Raises:
        ValueError: it is found in none that is frozen, or is no expression.
    """
    trained = {id(weight) for weight in model.trainable_weights}
    frozen = [w.path for w in model.weights if id(w) not in trained]
    found = set(matching("unfrozen", pattern, frozen, "frozen weight"))
    for weight in model.weights:
        weight.trainable = id(weight) in trained or weight.path in found
    settle(model)
    return [path for path in frozen if path in found]


def settle(model: keras.Model) -> None:
    """Layers are trainable if one of their weights is."""
    for layer in layers_of(model):
        if weights := layer.weights:
            mark_trainable(layer, any(weight.trainable for weight in weights))


def check_trained(variables: list[keras.Variable], unknown: Callable) -> None:
    """Refuses to train none, or what an optimizer has no state for.

    Args:
        variables: that are to be trained.
        unknown: gives those of some variables that the optimizer does not know.

    Raises:
        ValueError: says which it is.
    """
    if not variables:
        raise ValueError("all weights are frozen, nothing is trained: see unfreeze")
    if new := unknown(variables):
        raise ValueError(
            f"{len(new)} weights, such as {new[0].path!r}, were frozen when the "
            "optimizer was made and are not now: compile again"
        )

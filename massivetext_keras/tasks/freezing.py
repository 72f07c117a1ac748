"""Which weights of a model are trained."""

from __future__ import annotations

import keras

from massivetext_keras.values import matching


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
    model.trainable = True  # all of it: no layer hides its weights any more
    for weight in model.weights:
        weight.trainable = id(weight) in trained or weight.path in found
    return [path for path in frozen if path in found]

"""How each weight is updated: its factor on the rate, whether it decays."""

from __future__ import annotations

import keras
import tensorflow as tf

from massivetext_keras.architecture.roles import decays, role_of
from massivetext_keras.architecture.weights import depth_of
from massivetext_keras.support.values import matching


def is_decayed(variable: keras.Variable) -> bool:
    """Whether weight decay applies, see `architecture.roles.decays`."""
    return decays(path_of(variable), tuple(variable.shape))


def is_for_muon(variable: keras.Variable) -> bool:
    """Whether Muon orthogonalises a variable: matrices, but those of what embeds, of
    heads and of experts, which are trained by Adam."""
    path = path_of(variable)
    *owners, _ = path.split("/")
    return (
        role_of(path, tuple(variable.shape)) == "matrix"
        and len(variable.shape) == 2
        and depth_of(path) != 0
        and not any(owner.endswith("head") for owner in owners)
    )


def rate_factors(
    variables: list[keras.Variable], layer_decay: float, rates: dict[str, float]
) -> list[float]:
    """The factor of each variable on the learning rate.

    Args:
        variables: of a model.
        layer_decay: to the power of how many layers lie above a variable's own. The
            embeddings are the lowest layer, and heads and the last norm the highest.
        rates: pattern -> factor, on each variable whose path it is found in.

    Raises:
        ValueError: a pattern is found in no path, or is no expression.
    """
    paths = [path_of(variable) for variable in variables]
    factor_of = dict.fromkeys(paths, 1.0)
    for pattern, factor in rates.items():
        for path in set(matching("rates", pattern, paths, "variable")):
            factor_of[path] *= factor
    depths = [depth_of(path) for path in paths]
    top = max([0, *(depth for depth in depths if depth is not None)]) + 1
    return [
        layer_decay ** (0 if depth is None else top - depth) * factor_of[path]
        for path, depth in zip(paths, depths, strict=True)
    ]


def path_of(variable: keras.Variable | tf.Variable) -> str:
    """Of a variable of Keras, or of TensorFlow's, which has a name alone."""
    return getattr(variable, "path", variable.name)

"""AWQ: inputs that are large get finer steps, by a factor before the product."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.kernels.stored import decode, encode

_POWERS = np.linspace(0.0, 1.0, 11)
_LEAST = 1e-4  # mean of an input, as a share of the largest


def awq(
    storage: Storage, rows: np.ndarray, products: np.ndarray, sizes: np.ndarray
) -> dict[str, np.ndarray]:
    """Rounds a matrix to codes of 4 bits after a factor for each input, by which the
    inputs are divided (Lin et al., 2024).

    The factors are powers of the inputs' mean sizes. The power, the same for all, is
    the one with which the products with inputs like those seen change least.

    Args:
        storage: of "int4", with `scaled_inputs`.
        rows: float32 [rows, inputs].
        products: float64 [inputs, inputs], X^T X of what is multiplied with it.
        sizes: float64 [inputs], means of their absolute values.

    Returns:
        `codes`, `scales` and `factors`, see `Storage.parts`.
    """
    sizes = np.maximum(sizes, max(float(sizes.max()), 1e-12) * _LEAST)

    def attempt(power: float) -> tuple[float, dict[str, tf.Tensor]]:
        larger = sizes**power
        larger /= np.sqrt(larger.max() * larger.min())
        matrix = tf.constant(rows, tf.float32)
        parts = encode(storage, matrix, tf.constant(1.0 / larger, tf.float32))
        found = decode(storage, parts, rows.shape[1]).numpy()
        return changed(rows, found, products), parts

    _, best = min(map(attempt, _POWERS), key=lambda one: one[0])
    return {name: part.numpy() for name, part in best.items()}


def changed(rows: np.ndarray, found: np.ndarray, products: np.ndarray) -> float:
    """Squared error of the products with inputs X, summed: ||X (W - W')^T||^2.

    Args:
        rows, found: [rows, inputs], W and W'.
        products: [inputs, inputs], X^T X.

    >>> changed(np.array([[1.0, 2.0]]), np.array([[1.0, 1.5]]), 4.0 * np.eye(2))
    1.0
    """
    wrong = rows.astype("float64") - found
    return float(np.sum((wrong @ products) * wrong))

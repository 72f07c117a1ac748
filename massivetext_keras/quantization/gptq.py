"""GPTQ: what rounding one column does wrong, the columns after it make good."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.kernels.stored import group_scales, grouped, packed

_BLOCK = 128  # columns, after which what is left is corrected
_DAMPING = 0.01  # of the mean of the diagonal, added to it
_LEAST, _MOST = -8, 7  # codes


def gptq(
    storage: Storage, rows: np.ndarray, products: np.ndarray
) -> dict[str, np.ndarray]:
    """Rounds a matrix to codes of 4 bits such that its products with inputs like those
    seen change little (Frantar et al., 2023).

    Columns are rounded one by one, those of the largest inputs first; the error of
    each is spread over those that are not rounded yet, as the inverse of the Hessian
    says. The scales of groups are those of rounding to the nearest.

    Args:
        storage: of "int4", without `scaled_inputs`.
        rows: float32 [rows, inputs].
        products: float64 [inputs, inputs], X^T X of what is multiplied with it.

    Returns:
        `codes` and `scales`, see `Storage.parts`.
    """
    count, size = storage.groups(rows.shape[1])
    groups = grouped(storage, tf.constant(rows, tf.float32))
    scales = group_scales(groups).numpy()
    of_column = np.repeat(scales.astype("float32"), size, axis=1)[:, : rows.shape[1]]
    found = _codes(rows.astype("float64"), of_column.astype("float64"), products)
    padded = np.zeros((len(rows), count * size), "float32")
    padded[:, : rows.shape[1]] = found
    codes = tf.constant(padded.reshape(len(rows), count, size))
    return {"codes": packed(codes).numpy(), "scales": scales}


def _codes(rows: np.ndarray, scales: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Codes [rows, inputs], with a scale for each number."""
    order = np.argsort(-np.diag(products), kind="stable")
    rows, scales = rows[:, order].copy(), scales[:, order]
    spread = _upper_root_of_inverse(products[np.ix_(order, order)])
    codes, inputs = np.zeros_like(rows), rows.shape[1]
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        errors = np.zeros((len(rows), end - start))
        for i in range(start, end):
            codes[:, i] = _nearest(rows[:, i], scales[:, i])
            wrong = rows[:, i] - codes[:, i] * scales[:, i]
            errors[:, i - start] = wrong / spread[i, i]
            rows[:, i:end] -= np.outer(errors[:, i - start], spread[i, i:end])
        rows[:, end:] -= errors @ spread[start:end, end:]
    placed = np.empty_like(codes)
    placed[:, order] = codes
    return placed


def _nearest(numbers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    shares = np.divide(numbers, scales, out=np.zeros_like(numbers), where=scales != 0)
    return np.clip(np.rint(shares), _LEAST, _MOST)


def _upper_root_of_inverse(products: np.ndarray) -> np.ndarray:
    """U, upper triangular, with U^T U the inverse of the damped Hessian."""
    hessian = products.copy()
    diagonal = np.diag(hessian)
    unseen = diagonal == 0
    hessian[unseen, unseen] = 1.0
    damping = _DAMPING * max(float(np.mean(diagonal)), 1e-12)
    hessian[np.diag_indices_from(hessian)] += damping
    return np.linalg.cholesky(np.linalg.inv(hessian)).T

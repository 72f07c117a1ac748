"""Matrices of layers in fewer bits."""

from massivetext_keras.layers.stored.matrix import (
    StoredMatrix,
    matrix_of,
    matrix_or_none,
    store,
)

__all__ = ["StoredMatrix", "matrix_of", "matrix_or_none", "store"]

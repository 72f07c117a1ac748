"""A matrix of a layer that is stored in fewer bits, in place of the one in floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.architecture.storage import Storage, by_rows
from massivetext_keras.kernels import stored as kernel


class StoredMatrix(keras.layers.Layer):
    """What stands where a layer had a matrix as a variable.

    It becomes a tensor of floats wherever that is asked for (`tf.convert_to_tensor`);
    products and look-ups go by what is stored. Nothing of it is trained.

    Args:
        storage: how it is stored.
        shape: of the matrix as its layer has it: a kernel [..., inputs, outputs], a
            table [rows, columns].
        by_inputs: whether the rows of `shape` are inputs, as those of a kernel are.

    >>> matrix = StoredMatrix(Storage("int8"), (2, 3), by_inputs=True)
    >>> matrix.build()
    >>> matrix.take(np.eye(2, 3))
    >>> tf.convert_to_tensor(matrix).numpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(
        self, storage: Storage, shape: tuple[int, ...], by_inputs: bool, **kwargs
    ):
        super().__init__(**kwargs)
        self.storage, self.by_inputs = storage, by_inputs
        self.shape = tf.TensorShape(shape)

    @property
    def _shape_by_rows(self) -> tuple[int, ...]:
        return by_rows("kernel" if self.by_inputs else "embeddings", self.shape)

    def build(self, input_shape=None):
        for name, part in self.storage.parts(self._shape_by_rows).items():
            weight = self.add_weight(
                name=name,
                shape=part.shape,
                dtype=part.dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)

    @property
    def parts(self) -> dict[str, tf.Tensor]:
        """What is stored, by name."""
        names = self.storage.parts(self._shape_by_rows)
        return {name: tf.convert_to_tensor(getattr(self, name)) for name in names}

    def take(self, matrix: Any, factors: Any = None) -> None:
        """Stores the nearest to a matrix.

        Args:
            matrix: floats of the layer's shape.
            factors: float [inputs], see `kernels.stored.encode`.
        """
        matrix = tf.convert_to_tensor(matrix, tf.float32)
        rows = tf.linalg.matrix_transpose(matrix) if self.by_inputs else matrix
        self.assign(kernel.encode(self.storage, rows, factors))

    def assign(self, parts: Mapping[str, Any]) -> None:
        """Stores what is encoded already, by name."""
        for name, array in parts.items():
            getattr(self, name).assign(array)

    def by_rows(self, dtype: Any = None) -> tf.Tensor:
        """The matrix in floats, [..., rows, inputs]."""
        dtype = tf.as_dtype(dtype or self.compute_dtype)
        inputs = self._shape_by_rows[-1]
        return kernel.decode(self.storage, self.parts, inputs, dtype)

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """Rows [m, inputs] times the matrix, [m, rows]."""
        return kernel.multiply(self.storage, x, self.parts)

    def some(self, indices: tf.Tensor) -> tf.Tensor:
        """Rows of a table, or the matrices of experts by rows.

        Args:
            indices: int, of any shape.

        Returns:
            [*indices, inputs], or [*indices, rows, inputs].
        """
        whole = [] if len(self.shape) > 2 else ["factors"]
        parts = {
            name: part if name in whole else tf.gather(part, indices)
            for name, part in self.parts.items()
        }
        inputs = self._shape_by_rows[-1]
        dtype = tf.as_dtype(self.compute_dtype)
        return kernel.decode(self.storage, parts, inputs, dtype)

    def __tf_tensor__(self, dtype=None, name=None) -> tf.Tensor:
        matrix = self.by_rows(dtype)
        return tf.linalg.matrix_transpose(matrix) if self.by_inputs else matrix

    def numpy(self) -> np.ndarray:
        """The matrix in floats."""
        return self.__tf_tensor__(tf.float32).numpy()


def matrix_or_none(layer: keras.layers.Layer) -> keras.Variable | StoredMatrix | None:
    """The matrix of a layer that can be stored otherwise; None of one that is not
    built, or has none."""
    place = getattr(layer, "matrix_place", None)
    return getattr(layer, place, None) if place and layer.built else None


def matrix_of(layer: keras.layers.Layer) -> keras.Variable | StoredMatrix:
    """The matrix of a built layer that can be stored otherwise.

    Raises:
        ValueError: it has none.
    """
    matrix = matrix_or_none(layer)
    if matrix is None:
        raise ValueError(f"{layer.name} has no matrix to store in another form")
    return matrix


def store(layer: keras.layers.Layer, storage: Storage | None) -> None:
    """Puts another form in place of the matrix of a built layer, with zeros in it.

    Args:
        layer: with a `matrix_place`, the name of the attribute that is its matrix.
        storage: how it is stored (None: in floats, as layers are made).
    """
    place, before = layer.matrix_place, matrix_of(layer)
    name = "embeddings" if place == "embeddings" else place.lstrip("_")
    shape = tuple(before.shape)
    layer._tracker.unlock()  # as `keras.layers.Dense.enable_lora` does
    if isinstance(before, StoredMatrix):
        layer._layers.remove(before)
    else:
        layer._untrack_variable(before)
    with keras.name_scope(layer.name, caller=layer):  # paths below that of the layer
        if storage is None:
            after = layer.add_weight(
                name=name, shape=shape, initializer="zeros", autocast=name == "kernel"
            )
        else:
            by_inputs = name != "embeddings"
            after = StoredMatrix(
                storage, shape, by_inputs, dtype=layer.dtype_policy, name=name
            )
            after.build()
    setattr(layer, place, after)
    layer._tracker.lock()

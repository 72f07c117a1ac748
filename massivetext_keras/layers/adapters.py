"""Adapters: a product of low rank beside one that stays as it is."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from massivetext_keras.layers.dense import Dense
from massivetext_keras.layers.dropout import Dropout

NAME = "adapter"


class Adapter(keras.layers.Layer):
    """What LoRA adds to a product (Hu et al., 2022): `alpha / rank · dropout(x) A B`.

    A is normal with the variance of 1 / rows, B is zero: at first nothing is added.
    There are `rank · (rows + columns)` weights. Where a kernel makes several outputs,
    such as queries, keys and values, A is the same for all of them.

    Args:
        rank: columns of A and rows of B.
        alpha: scales what is added, such that other ranks want the same learning rate.
        dropout: rate on what A is multiplied with.

    Raises:
        ValueError: an argument is out of range.

    >>> adapter = Adapter(rank=2, alpha=4.0)
    >>> adapter.build((3, 5))
    >>> [tuple(weight.shape) for weight in adapter.weights]
    [(3, 2), (2, 5)]
    >>> adapter(tf.ones([1, 3])).numpy().tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, rank: int, alpha: float, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if rank < 1:
            raise ValueError(f"rank must be positive, got {rank}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.rank, self.alpha = rank, alpha
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        # the kernel as it was, once the product is part of it
        self.original: np.ndarray | None = None

    def build(self, input_shape):
        rows, columns = input_shape
        first = keras.initializers.RandomNormal(stddev=rows**-0.5)
        self.a = self.add_weight(name="a", shape=(rows, self.rank), initializer=first)
        self.b = self.add_weight(
            name="b", shape=(self.rank, columns), initializer="zeros"
        )

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`x` [m, rows] -> [m, columns]."""
        x = tf.matmul(self.dropout(x, training=training), tf.convert_to_tensor(self.a))
        return tf.matmul(x, tf.convert_to_tensor(self.b)) * self.scale

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.original is not None:  # the layer's kernel is the merged one
            store["original"] = self.original

    def load_own_variables(self, store):
        for i, weight in enumerate((self.a, self.b)):
            weight.assign(store[str(i)])
        merged = "original" in store.keys()  # noqa: SIM118 (it is no dict)
        self.original = np.array(store["original"]) if merged else None

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def product(self) -> tf.Tensor:
        """Float32 [rows, columns]: what the kernel would have to be larger by."""
        a, b = (keras.ops.convert_to_tensor(x) for x in (self.a, self.b))
        return tf.matmul(a, b) * self.scale

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.b.shape[1])


def attach(layer: Dense, rank: int, alpha: float, dropout: float) -> None:
    """Puts a new adapter beside the kernel of a built layer."""
    adapter = Adapter(rank, alpha, dropout, dtype=layer.dtype_policy, name=NAME)
    layer._tracker.unlock()  # as `keras.layers.Dense.enable_lora` does
    layer.adapter = adapter
    layer._tracker.lock()
    with keras.name_scope(layer.name, caller=layer):  # paths below that of the layer
        adapter.build(tuple(layer.kernel.shape))


def adapter_of(layer: Dense) -> Adapter:
    """The adapter beside the kernel of a layer.

    Raises:
        ValueError: there is none.
    """
    if layer.adapter is None:
        raise ValueError(f"{layer.name} has no adapter")
    return layer.adapter


def detach(layer: Dense) -> None:
    """Takes the adapter of a layer away; what is merged stays."""
    layer._tracker.unlock()
    layer._layers.remove(layer.adapter)
    layer.adapter = None
    layer._tracker.lock()


def merge(layer: Dense) -> None:
    """Makes the product a part of the kernel, which costs nothing from then on."""
    adapter = adapter_of(layer)
    if adapter.original is None:
        adapter.original = keras.ops.convert_to_tensor(layer.kernel).numpy()
        layer.kernel.assign(adapter.original + adapter.product())


def unmerge(layer: Dense) -> None:
    """Gives the kernel back as it was, bit for bit."""
    adapter = adapter_of(layer)
    if adapter.original is not None:
        layer.kernel.assign(adapter.original)
        adapter.original = None


def merged_kernel(layer: Dense) -> tf.Tensor:
    """Float32 [rows, columns]: the kernel that does what layer and adapter do."""
    kernel, adapter = keras.ops.convert_to_tensor(layer.kernel), adapter_of(layer)
    return kernel if adapter.original is not None else kernel + adapter.product()

"""The product with a matrix that all layers are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from massivetext_keras.kernels.product import differentiable_product
from massivetext_keras.kernels.shapes import shape_of
from massivetext_keras.kernels.stored import rounded
from massivetext_keras.layers.stored import StoredMatrix

if TYPE_CHECKING:
    from massivetext_keras.layers.adapters import Adapter


class Dense(keras.layers.Dense):
    """`keras.layers.Dense` over the last axis, with a faster gradient of the bias.

    Args:
        units: columns.
        bias: whether there is one.
        scale: standard deviation of the first weights.
        may_round: whether the kernel may be stored in fewer bits.

    Attributes:
        rounds_as: a `Storage` that training shall bear: the product is that with the
            kernel as it would be read after it was stored (None: the kernel as it is).
        observe: is given the rows [m, size] that are multiplied (None: nobody is).

    >>> import tensorflow as tf
    >>> Dense(3)(tf.ones([1, 5, 2])).shape
    TensorShape([1, 5, 3])
    """

    matrix_place = "_kernel"  # of `layers.stored`
    rounds_as = observe = None

    def __init__(
        self,
        units: int,
        bias: bool = True,
        scale: float = 0.02,
        may_round: bool = True,
        **kwargs,
    ):
        initializer = keras.initializers.RandomNormal(stddev=scale)
        super().__init__(units, use_bias=bias, kernel_initializer=initializer, **kwargs)
        self.may_round = may_round
        self.adapter: Adapter | None = None

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`x` [..., size] -> [..., units]."""
        rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])
        if self.observe is not None:
            self.observe(rows)
        y = self._product(rows, training)
        if self.use_bias:
            add = _add_bias if training else tf.nn.bias_add
            y = add(y, tf.convert_to_tensor(self.bias))
        if self.adapter is not None and self.adapter.original is None:
            y += self.adapter(rows, training=training)
        return y if rows is x else tf.reshape(y, [*shape_of(x)[:-1], self.units])

    def _product(self, rows: tf.Tensor, training: bool | None) -> tf.Tensor:
        """Rows [m, size] times the kernel, however it is stored."""
        if isinstance(self.kernel, StoredMatrix):
            return self.kernel.times(rows)
        kernel = tf.convert_to_tensor(self.kernel)
        if self.rounds_as is not None:
            by_rows = rounded(self.rounds_as, tf.transpose(kernel))
            kernel = tf.transpose(by_rows)
        return (differentiable_product if training else tf.matmul)(rows, kernel)

    def save_own_variables(self, store):
        if not isinstance(self.kernel, StoredMatrix):
            super().save_own_variables(store)
        elif self.bias is not None:  # the kernel is a layer of its own
            store["bias"] = self.bias

    def load_own_variables(self, store):
        if not isinstance(self.kernel, StoredMatrix):
            super().load_own_variables(store)
        elif self.bias is not None:
            self.bias.assign(store["bias"])


@tf.custom_gradient
def _add_bias(rows: tf.Tensor, bias: tf.Tensor):
    """Adds a bias [n] to rows [m, n]; its gradient is a product with ones, as fast as
    memory, where TensorFlow's own sum over bfloat16 rows is not."""

    def backward(upstream):
        ones = tf.ones([1, shape_of(upstream)[0]], upstream.dtype)
        return upstream, tf.matmul(ones, upstream)[0]

    return tf.nn.bias_add(rows, bias), backward

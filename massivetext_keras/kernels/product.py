"""Products of matrices in the form that is the fastest on this machine.

TensorFlow multiplies by Eigen or oneDNN, XLA by a library of its own, and each is fast
for some layouts alone: the gradients of a product multiply by a transposed matrix, and
a copy of the smaller one may cost less than reading it across. Which it is differs from
processor to processor: `massivetext doctor --speed` tells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import tensorflow as tf

from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.tuning import Tuner, process_tuner

# Multiplications of a product that is worth measuring.
LEAST_MULTIPLICATIONS = 1 << 24
# Of rows, and of matrices in a batch, no more are measured: their number changes the
# time of all forms alike.
_MOST_MEASURED, _MOST_IN_BATCH = 1024, 16


def _plain(a, b, transpose_a, transpose_b):
    return tf.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def _copied(a, b, transpose_a, transpose_b, multiply=tf.matmul):
    """A product of matrices as they lie, after a copy of what is transposed; of a^T b,
    of the smaller one."""
    if not (transpose_a or transpose_b):
        return multiply(a, b)
    if transpose_b:
        return multiply(a, tf.linalg.matrix_transpose(b))
    if math.prod(a.shape) <= math.prod(b.shape):
        return multiply(tf.linalg.matrix_transpose(a), b)
    return tf.linalg.matrix_transpose(multiply(tf.linalg.matrix_transpose(b), a))


_in_xla = island(_plain)
_as_they_lie = island(tf.matmul)


def _copied_in_xla(a, b, transpose_a, transpose_b):
    return _copied(a, b, transpose_a, transpose_b, multiply=_as_they_lie)


FORMS = {
    "TensorFlow": _plain,
    "XLA": _in_xla,
    "TensorFlow, copied": _copied,
    "XLA, copied": _copied_in_xla,
}


def product(
    a: tf.Tensor,
    b: tf.Tensor,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> tf.Tensor:
    """`tf.matmul`, in another form where that was measured to be faster.

    Args:
        a: [..., m, k], or [..., k, m] if it is to be transposed.
        b: [..., k, n], or [..., n, k]; of the same dtype.
        transpose_a, transpose_b: as of `tf.matmul`, not both.

    Returns:
        [..., m, n].

    >>> import tensorflow as tf
    >>> product(
    ...     tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 4.0]]), transpose_b=True
    ... ).numpy().tolist()
    [[11.0]]
    """
    a, b = tf.convert_to_tensor(a), tf.convert_to_tensor(b)
    form = FORMS[_form(a, b, transpose_a, transpose_b)]
    return form(a, b, transpose_a, transpose_b)


@tf.custom_gradient
def differentiable_product(rows: tf.Tensor, matrix: tf.Tensor):
    """`product` of rows [m, k] and a matrix [k, n], whose gradients are such products
    too."""

    def backward(upstream):
        return (
            product(upstream, matrix, transpose_b=True),
            product(rows, upstream, transpose_a=True),
        )

    return product(rows, matrix), backward


def _form(a, b, transpose_a: bool, transpose_b: bool) -> str:
    """Name of the form of a product; the first, if it is small or of unknown size."""
    first = next(iter(FORMS))
    if not (a.shape.is_fully_defined() and b.shape.is_fully_defined()):
        return first
    columns = b.shape[-2] if transpose_b else b.shape[-1]
    if math.prod(a.shape) * columns < LEAST_MULTIPLICATIONS:
        return first
    tuner = process_tuner()
    if tuner is None:
        return first
    return fastest_form(tuner, a.shape, b.shape, transpose_a, transpose_b, a.dtype)


def fastest_form(
    tuner: Tuner,
    a: Sequence[int],
    b: Sequence[int],
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: tf.DType = tf.float32,
) -> str:
    """Name of the form that is the fastest for matrices of some shapes; arguments as of
    `product`."""
    shapes = _measured(a), _measured(b)
    # XLA multiplies bfloat16 without the processor's instructions for it.
    names = ["TensorFlow"] + ["XLA"] * (dtype == tf.float32)
    names += [f"{name}, copied" for name in names] * (transpose_a or transpose_b)
    return tuner.fastest(
        _described(shapes, transpose_a, transpose_b, dtype),
        {name: _with_transposition(name, transpose_a, transpose_b) for name in names},
        lambda: [tf.cast(tf.random.stateless_normal(s, [1, 2]), dtype) for s in shapes],
    )


def measure_block(tuner: Tuner, rows: int, size: int, dtype: tf.DType) -> None:
    """Measures the products that a block's layers make in training.

    Args:
        tuner: remembers them.
        rows: tokens of a batch.
        size: d; the feed-forward layer has four times as much inside, heads have 64.
        dtype: of the matrices.
    """
    for inner, outer in itertools.product((size, 4 * size), repeat=2):
        if inner == outer == 4 * size:
            continue
        fastest_form(tuner, [rows, inner], [inner, outer], dtype=dtype)
        fastest_form(
            tuner, [rows, outer], [inner, outer], transpose_b=True, dtype=dtype
        )
        fastest_form(tuner, [rows, inner], [rows, outer], transpose_a=True, dtype=dtype)
    weights, values = [16, 128, 128], [16, 128, 64]
    fastest_form(tuner, weights, values, dtype=dtype)
    fastest_form(tuner, values, values, transpose_b=True, dtype=dtype)
    fastest_form(tuner, weights, values, transpose_a=True, dtype=dtype)


def _with_transposition(name: str, transpose_a: bool, transpose_b: bool):
    return lambda a, b: FORMS[name](a, b, transpose_a, transpose_b)


def _measured(shape: Sequence[int]) -> list[int]:
    """A shape of powers of two that stands for others, so that few are measured.

    >>> _measured([24, 4096, 768])
    [16, 1024, 1024]
    """
    *batch, rows, columns = shape
    sizes = [
        min(1 << (size - 1).bit_length(), _MOST_MEASURED) for size in (rows, columns)
    ]
    return [min(math.prod(batch), _MOST_IN_BATCH), *sizes] if batch else sizes


def _described(shapes, transpose_a: bool, transpose_b: bool, dtype: tf.DType) -> str:
    """
    >>> _described(([8, 16], [4, 16]), False, True, tf.float32)
    'product 8 x 16, (4 x 16)^T, float32'
    """
    sides = []
    for shape, transposed in zip(shapes, (transpose_a, transpose_b), strict=True):
        side = " x ".join(map(str, shape))
        sides.append(f"({side})^T" if transposed else side)
    return f"product {', '.join(sides)}, {dtype.name}"

"""Whether what this thread traces is split among the devices of a mesh, and how.

TensorFlow's compiler for meshes takes plain operations of known shapes, which it splits
itself; XLA programs and measured forms of products are for one device.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.experimental import dtensor

from massivetext_keras.kernels.shapes import shape_of

_here = threading.local()


@contextlib.contextmanager
def split_among(tensor: int) -> Iterator[None]:
    """Inside, what is traced is split among devices.

    Columns of one product that are several things, such as queries, keys and values,
    lie in as many blocks as there are devices of the tensor axis, each with a share of
    every part.

    Args:
        tensor: devices of that axis.
    """
    before = getattr(_here, "blocks", 0)
    _here.blocks = tensor
    try:
        yield
    finally:
        _here.blocks = before


def is_split() -> bool:
    """Whether this is inside `split_among`."""
    return getattr(_here, "blocks", 0) > 0


def column_blocks() -> int:
    """In how many blocks the columns of a product lie that has several parts."""
    return max(1, getattr(_here, "blocks", 0))


def split_columns(x: tf.Tensor, sizes: Sequence[int]) -> list[tf.Tensor]:
    """The parts of the last axis, wherever their columns lie.

    Args:
        x: [..., sum of sizes].
        sizes: of the parts.

    Returns:
        [..., size] for each size.

    >>> x = tf.constant([[1, 2, 5, 3, 4, 6]])
    >>> with split_among(2):
    ...     [part.numpy().tolist() for part in split_columns(x, [4, 2])]
    [[[1, 2, 3, 4]], [[5, 6]]]
    """
    blocks = column_blocks()
    if blocks == 1:
        return tf.split(x, sizes, axis=-1)
    outer = shape_of(x)[:-1]
    x = tf.reshape(x, [*outer, blocks, sum(sizes) // blocks])
    parts = tf.split(x, [size // blocks for size in sizes], axis=-1)
    return [
        tf.reshape(part, [*outer, size])
        for part, size in zip(parts, sizes, strict=True)
    ]


def split_rows_and_heads(x: tf.Tensor) -> tf.Tensor:
    """A tensor that every device has, of which each is to go on with its part alone.

    Args:
        x: [batch, length, d] or [batch, heads, queries, keys], split as hidden states
            and attention weights are; of other ranks it stays as it is.
    """
    axes = {3: ("data",), 4: ("data", "tensor")}.get(x.shape.rank, ())
    if not is_split() or not axes:
        return x
    rest = [dtensor.UNSHARDED] * (x.shape.rank - len(axes))
    return dtensor.relayout(
        x, dtensor.Layout([*axes, *rest], dtensor.get_default_mesh())
    )


def after(x: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """`x` for what is to begin when `other` has been made, where that is split.

    TensorFlow begins all that can begin, and its compiler for meshes keeps no control
    dependencies: what is large and cut into chunks would all be there at once.

    Args:
        x: of any shape.
        other: floating, of any shape.

    >>> after(tf.constant([1.0]), tf.constant(2.0)).numpy().tolist()
    [1.0]
    """
    if not is_split():
        return x
    number = tf.reduce_max(other)
    return x + tf.cast(number != number, x.dtype)  # 0, unless the loss is no number

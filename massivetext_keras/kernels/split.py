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
def split_among(tensor: int, sequence: bool = False) -> Iterator[None]:
    """Inside, what is traced is split among devices.

    Columns of one product that are several things, such as queries, keys and values,
    lie in as many blocks as there are devices of the tensor axis, each with a share of
    every part.

    Args:
        tensor: devices of that axis.
        sequence: whether they share the tokens of a row too, between products.
    """
    before = getattr(_here, "blocks", 0), getattr(_here, "sequence", False)
    _here.blocks, _here.sequence = tensor, sequence
    try:
        yield
    finally:
        _here.blocks, _here.sequence = before


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


def hidden_layout(x: tf.Tensor, whole: bool = False) -> dtensor.Layout:
    """How hidden states lie on the devices of this mesh, from one block to the next.

    Args:
        x: [batch, length, d].
        whole: no device lacks a token of its rows, as products need it. Else each of
            the tensor axis has its share of them (Korthikanti et al., 2023), if that
            was asked for and they divide.
    """
    shares = getattr(_here, "sequence", False) and x.shape[1] % column_blocks() == 0
    axis = "tensor" if shares and not whole else dtensor.UNSHARDED
    return dtensor.Layout(["data", axis, dtensor.UNSHARDED], dtensor.get_default_mesh())


def shard_tokens(x: tf.Tensor) -> tf.Tensor:
    """Hidden states [batch, length, d] of which each device goes on with its tokens,
    see `hidden_layout`."""
    return _laid_out(x, whole=False)


def gather_tokens(x: tf.Tensor) -> tf.Tensor:
    """The inverse of `shard_tokens`."""
    return _laid_out(x, whole=True)


def _laid_out(x: tf.Tensor, whole: bool) -> tf.Tensor:
    if not (is_split() and _here.sequence):
        return x

    @tf.custom_gradient
    def call(x):
        # Left to itself, TensorFlow's compiler finds two layouts for one gradient.
        there, back = hidden_layout(x, whole), hidden_layout(x, not whole)
        return dtensor.relayout(x, there), lambda dy: dtensor.relayout(dy, back)

    return call(x)


def split_rows_and_heads(x: tf.Tensor, between_products: bool = False) -> tf.Tensor:
    """A tensor that every device has, of which each is to go on with its part alone.

    Args:
        x: [batch, length, d] or [batch, heads, queries, keys], split as hidden states
            and attention weights are; of other ranks it stays as it is.
        between_products: split hidden states as `shard_tokens` does.
    """
    if not is_split() or x.shape.rank not in (3, 4):
        return x
    if x.shape.rank == 3:
        return dtensor.relayout(x, hidden_layout(x, whole=not between_products))
    axes = ["data", "tensor", dtensor.UNSHARDED, dtensor.UNSHARDED]
    return dtensor.relayout(x, dtensor.Layout(axes, dtensor.get_default_mesh()))


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

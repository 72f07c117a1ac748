"""Matrices in fewer bits: rounded, read again, and multiplied as they are stored.

A matrix is stored by rows of what one output reads, as `architecture.storage` says. The
rows of a product are multiplied with it without a copy in floats where that is faster,
which is where they are few: what binds then is how much memory is read.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import tensorflow as tf

from massivetext_keras.architecture.storage import Storage
from massivetext_keras.kernels.fused import in_island
from massivetext_keras.kernels.product import product
from massivetext_keras.kernels.shapes import shape_of

Parts = Mapping[str, tf.Tensor]

_MOST_CODE = 127  # of 8 bits, so that both signs have as many
_ZERO = 8  # what a code of 4 bits is stored above
# Numbers of a block that is decoded at a time, 16 megabytes of floats; and rows that
# are few enough for it.
BLOCK_NUMBERS, _MOST_ROWS = 1 << 22, 32
# Rows so few that a matrix is read in slices, and how many these are.
_MOST_SLICED, _SLICES = 8, 8
# Shares of the largest number of a group that are tried as what its largest code means.
_SHARES = (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.78, 0.74)


def encode(storage: Storage, matrix: tf.Tensor, factors=None) -> dict[str, tf.Tensor]:
    """Rounds a matrix to the nearest that can be stored.

    The scale of a row of 8 bits is its largest number by 127. That of a group of 4 bits
    is the one of several with the least squared error; its sign is such that the
    largest number, positive or negative, is the code -8.

    Args:
        storage: how.
        matrix: floating [..., rows, inputs].
        factors: float [inputs], by which inputs are multiplied before (None: by 1).

    Returns:
        The `parts` of the storage, by name.

    Raises:
        ValueError: float16 has no numbers as large.

    >>> parts = encode(Storage("int8"), tf.constant([[0.5, -1.0, 0.25]]))
    >>> parts["codes"].numpy().tolist(), float(parts["scales"][0] * 127)
    ([[64, -127, 32]], 1.0)
    """
    matrix = tf.cast(matrix, tf.float32)
    if storage.form == "int8":
        scales = tf.reduce_max(tf.abs(matrix), -1) / _MOST_CODE
        codes = tf.round(tf.math.divide_no_nan(matrix, scales[..., None]))
        return {"codes": tf.cast(codes, tf.int8), "scales": scales}
    if storage.form != "int4":
        codes = tf.cast(matrix, storage.form)
        if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(codes))):
            raise ValueError(f"{storage.form} has no numbers as large as these weights")
        return {"codes": codes}
    if storage.scaled_inputs:
        if factors is None:
            factors = tf.ones(matrix.shape[-1:])
        factors = tf.cast(factors, tf.float16)
        matrix = matrix / tf.cast(factors, tf.float32)
    groups = grouped(storage, matrix)
    scales = group_scales(groups)
    parts = {"codes": packed(group_codes(groups, scales)), "scales": scales}
    if storage.wide_scales:
        parts["scales"] = tf.cast(scales, tf.float32)
    if storage.scaled_inputs:
        shape = storage.parts(matrix.shape)["factors"].shape
        parts["factors"] = tf.broadcast_to(factors, shape)
    return parts


def grouped(storage: Storage, matrix: tf.Tensor) -> tf.Tensor:
    """[..., rows, inputs] -> [..., rows, groups, size], zeros at the end."""
    *outer, inputs = shape_of(matrix)
    count, size = storage.groups(inputs)
    if count * size > inputs:
        pads = [[0, 0]] * len(outer) + [[0, count * size - inputs]]
        matrix = tf.pad(matrix, pads)
    return tf.reshape(matrix, [*outer, count, size])


def group_scales(groups: tf.Tensor) -> tf.Tensor:
    """Float16 scales [..., groups] of float32 numbers [..., groups, size]."""
    most, least = tf.reduce_max(groups, -1), tf.reduce_min(groups, -1)
    largest = tf.where(most > -least, most, least)
    best = error = None
    for share in _SHARES:
        scales = tf.cast(largest * (share / -_ZERO), tf.float16)
        found = values_of(group_codes(groups, scales), scales)
        squared = tf.reduce_sum(tf.square(found - groups), -1)
        if best is None:
            best, error = scales, squared
        else:
            best = tf.where(squared < error, scales, best)
            error = tf.minimum(squared, error)
    return best


def group_codes(groups: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Whole numbers from -8 to 7 as float32 [..., groups, size]."""
    scales = tf.cast(scales, tf.float32)[..., None]
    codes = tf.round(tf.math.divide_no_nan(groups, scales))
    return tf.clip_by_value(codes, -_ZERO, _ZERO - 1)


def values_of(codes: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """What codes [..., groups, size] mean, float32."""
    return codes * tf.cast(scales, tf.float32)[..., None]


def packed(codes: tf.Tensor) -> tf.Tensor:
    """Codes from -8 to 7, [..., size], two in a byte: uint8 [..., size / 2].

    The first half of a group is in the lower bits, the second in the upper.

    >>> packed(tf.constant([[-8.0, 0.0, 7.0, 1.0]])).numpy().tolist()
    [[240, 152]]
    """
    low, high = tf.split(tf.cast(codes + _ZERO, tf.uint8), 2, axis=-1)
    return low + high * tf.constant(16, tf.uint8)


def unpacked(codes: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """The inverse of `packed`, of a floating dtype."""
    return tf.concat(halves(codes, dtype), axis=-1)


def halves(codes: tf.Tensor, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """The two halves of `unpacked`, each of the shape of `codes`."""
    low = tf.bitwise.bitwise_and(codes, tf.constant(15, tf.uint8))
    high = tf.bitwise.right_shift(codes, tf.constant(4, tf.uint8))
    zero = tf.constant(_ZERO, dtype)
    return tf.cast(low, dtype) - zero, tf.cast(high, dtype) - zero


def decode(
    storage: Storage, parts: Parts, inputs: int, dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """The matrix that is stored, [..., rows, inputs].

    Args:
        storage: how it is stored.
        parts: as `encode` gives them; of some rows alone, as well.
        inputs: numbers of a row.
        dtype: of the result.
    """
    codes = parts["codes"]
    if storage.form == "int8":
        scales = tf.cast(parts["scales"], dtype)
        return tf.cast(codes, dtype) * scales[..., None]
    if storage.form != "int4":
        return tf.cast(codes, dtype)
    values = unpacked(codes, dtype) * tf.cast(parts["scales"], dtype)[..., None]
    *outer, count, size = shape_of(values)
    matrix = tf.reshape(values, [*outer, count * size])[..., :inputs]
    if "factors" in parts:
        matrix *= tf.cast(parts["factors"], dtype)[..., None, :]
    return matrix


def rounded(storage: Storage, matrix: tf.Tensor) -> tf.Tensor:
    """A matrix as it would be read after it was stored; the gradient goes through as
    if it were not (Bengio et al., 2013).

    Args:
        storage: how it would be stored.
        matrix: float32 [..., rows, inputs].
    """

    @tf.custom_gradient
    def call(matrix):
        found = decode(storage, encode(storage, matrix), matrix.shape[-1])
        return tf.cast(found, matrix.dtype), lambda upstream: upstream

    return call(tf.convert_to_tensor(matrix))


def _forward(
    storage: Storage, x: tf.Tensor, parts: Parts, block_numbers: int
) -> tf.Tensor:
    """What `multiply` gives.

    In an XLA program very few rows are multiplied with codes of 8 bits in one pass over
    these, others block by block of the matrix, which bounds what is there in floats. Of
    a loop, which does not change a matrix, XLA would decode it before the loop, and
    keep it.
    """
    inputs, count = x.shape[-1], parts["codes"].shape[0]
    rows = max(1, min(count, block_numbers // inputs))
    many = x.shape[0] is not None and x.shape[0] > _MOST_ROWS
    if many or not in_island():
        if storage.form == "int8":
            return _product(storage, x, parts)
        return tf.matmul(x, decode(storage, parts, inputs, x.dtype), transpose_b=True)
    held = {**parts, "codes": _held(parts["codes"], x)}
    others = functools.partial(_product, storage, x, held)
    if rows < count:
        others = functools.partial(_by_blocks, storage, x, parts, rows)
    if storage.form != "int8" or inputs % _SLICES:
        return others()
    by_slices = functools.partial(_by_slices, x, held)
    if x.shape[0] is not None:
        return by_slices() if x.shape[0] <= _MOST_SLICED else others()
    return tf.cond(tf.shape(x)[0] <= _MOST_SLICED, by_slices, others)


def _by_slices(x: tf.Tensor, parts: Parts) -> tf.Tensor:
    """The product of very few rows with whole numbers, which XLA reads in one pass: the
    slices of a row of the matrix are added up place by place, then the places."""
    width, total = x.shape[-1] // _SLICES, None
    for i in range(_SLICES):
        cut = slice(i * width, (i + 1) * width)
        part = x[:, None, cut] * tf.cast(parts["codes"][:, cut], x.dtype)
        total = part if total is None else total + part
    sums = tf.linalg.matvec(total, tf.ones([width], x.dtype))
    return sums * tf.cast(parts["scales"], x.dtype)


def _by_blocks(storage: Storage, x: tf.Tensor, parts: Parts, rows: int) -> tf.Tensor:
    """The product by so many rows of the matrix at a time; the last block ends where
    the matrix does, and has rows of the one before, too."""
    count = parts["codes"].shape[0]
    blocks = -(-count // rows)

    def step(i, found):
        first = tf.minimum(i * rows, count - rows)
        some = {
            name: part if name == "factors" else _cut(part, first, rows)
            for name, part in parts.items()
        }
        part = _product(storage, x, some)
        return i + 1, tf.tensor_scatter_nd_update(found, [[i]], part[None])

    empty = tf.zeros([blocks, shape_of(x)[0], rows], x.dtype)
    _, found = tf.while_loop(lambda i, found: i < blocks, step, (tf.constant(0), empty))
    whole = tf.reshape(tf.transpose(found[:-1], [1, 0, 2]), [-1, (blocks - 1) * rows])
    return tf.concat([whole, found[-1][:, blocks * rows - count :]], axis=1)


def _product(storage: Storage, x: tf.Tensor, parts: Parts) -> tf.Tensor:
    """The product with a matrix that is decoded whole."""
    inputs = x.shape[-1]
    if storage.form == "int8":  # sums are scaled, not each number
        sums = tf.matmul(x, tf.cast(parts["codes"], x.dtype), transpose_b=True)
        return sums * tf.cast(parts["scales"], x.dtype)
    if storage.form != "int4":
        return tf.matmul(x, decode(storage, parts, inputs, x.dtype), transpose_b=True)
    if "factors" in parts:
        x = x * tf.cast(parts["factors"], x.dtype)
    # The halves of bytes apart: XLA puts numbers side by side one by one.
    scales = tf.cast(parts["scales"], x.dtype)[..., None]
    total = None
    for codes, half in zip(
        halves(parts["codes"], x.dtype),
        tf.split(grouped(storage, x), 2, -1),
        strict=True,
    ):
        outer, numbers = shape_of(codes)[0], half.shape[-1] * half.shape[-2]
        matrix = tf.reshape(codes * scales, [outer, numbers])
        part = tf.matmul(tf.reshape(half, [-1, numbers]), matrix, transpose_b=True)
        total = part if total is None else total + part
    return total


def _cut(part: tf.Tensor, first: tf.Tensor, rows: int) -> tf.Tensor:
    """So many rows of an array, from one on."""
    others = part.shape[1:]
    return tf.slice(part, [first, *[0] * len(others)], [rows, *others])


def _held(codes: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The same codes, by way of `x`: so no compiler decodes them before a loop in which
    `x` changes."""
    nothing = tf.cast(tf.math.is_nan(x[0, 0]), tf.uint8)
    if codes.dtype == tf.uint8:
        return tf.bitwise.bitwise_xor(codes, nothing)
    if codes.dtype == tf.int8:
        return tf.bitwise.bitwise_xor(codes, tf.cast(nothing, tf.int8))
    return codes + tf.cast(nothing, codes.dtype)


def multiply(
    storage: Storage,
    x: tf.Tensor,
    parts: Parts,
    block_numbers: int = BLOCK_NUMBERS,
) -> tf.Tensor:
    """Rows times the transpose of a matrix that is stored: x W^T.

    The gradient by the rows decodes the matrix again; there is none by what is stored.

    Args:
        storage: how the matrix is stored.
        x: [m, inputs], floating.
        parts: of a matrix [rows, inputs].
        block_numbers: how many are decoded at a time in an XLA program, for few rows.

    Returns:
        [m, rows], of the dtype of `x`.

    >>> storage = Storage("bfloat16")
    >>> parts = encode(storage, tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    >>> multiply(storage, tf.constant([[1.0, 1.0]]), parts).numpy().tolist()
    [[3.0, 7.0]]
    """
    names, arrays = list(parts), [tf.convert_to_tensor(part) for part in parts.values()]

    @tf.custom_gradient
    def call(x, *arrays):
        given = dict(zip(names, arrays, strict=True))

        def backward(upstream):
            matrix = decode(storage, given, x.shape[-1], upstream.dtype)
            return product(upstream, matrix), *[None] * len(arrays)

        return _forward(storage, x, given, block_numbers), backward

    return call(tf.convert_to_tensor(x), *arrays)

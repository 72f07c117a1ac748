"""Numbers that people give for labels, as tensors of the shapes that a loss takes."""

from __future__ import annotations

import tensorflow as tf


def numbers_of_classes(labels: tf.Tensor, size: int) -> tf.Tensor:
    """Classes by their numbers of any type, or one-hot, as int32 [batch].

    A fraction, NaN, a number that is no class's, and rows that are not one-hot fail.

    Args:
        labels: [batch], [batch, 1] or [batch, size].
        size: how many classes there are.

    Raises:
        ValueError: they have another shape.

    >>> numbers_of_classes(tf.constant([[0.0, 1.0], [1.0, 0.0]]), 2).numpy().tolist()
    [1, 0]
    """
    numbers, checks = whole(labels), []
    if are_one_hot(labels, size):
        message = "one-hot labels of a row are 0 but for one"
        ones = tf.math.count_nonzero(numbers, axis=1, dtype=tf.int32)
        checks.append(tf.debugging.assert_equal(ones, 1, message))
        numbers = tf.argmax(numbers, axis=1, output_type=tf.int32)
    numbers = column(numbers, "the number of a class, or one-hot")
    message = f"a label that is none of {size} classes"
    checks.append(tf.debugging.assert_less(numbers, size, message))
    checks.append(tf.debugging.assert_greater_equal(numbers, 0, message))
    return _checked(numbers, checks)


def are_one_hot(labels: tf.Tensor, size: int) -> bool:
    """Whether labels have a number for each of so many classes."""
    return labels.shape.rank == 2 and labels.shape[1] == size


def multi_hot(labels: tf.Tensor, size: int) -> tf.Tensor:
    """0 or 1 of any type for each of so many labels, as float32 [batch, size].

    A fraction, NaN, and any number but 0 and 1 fail.

    Raises:
        ValueError: they have another shape.
    """
    shape = labels.shape
    if shape.rank is not None and (shape.rank != 2 or shape[1] not in (None, size)):
        raise ValueError(
            f"labels must be 0 or 1 for each of {size}, [batch, {size}], got {shape}"
        )
    numbers = tf.cast(labels, tf.float32)
    bits = tf.cast(numbers != 0.0, tf.float32)
    message = f"labels must be 0 or 1 for each of {size}"
    return _checked(bits, [tf.debugging.assert_equal(bits, numbers, message)])


def finite(labels: tf.Tensor) -> tf.Tensor:
    """Numbers of any type as float32 [batch]; NaN and infinite ones fail.

    Raises:
        ValueError: they have another shape.
    """
    numbers = column(tf.cast(labels, tf.float32), "a number")
    message = "a label that is no finite number"
    check = tf.debugging.assert_less(tf.abs(numbers), float("inf"), message)
    return _checked(numbers, [check])


def whole(labels: tf.Tensor) -> tf.Tensor:
    """Numbers of any type as int32; a fraction fails."""
    numbers = tf.cast(labels, tf.int32)
    if not labels.dtype.is_floating:
        return numbers
    same = tf.cast(numbers, labels.dtype)
    message = "a label that is no whole number"
    return _checked(numbers, [tf.debugging.assert_equal(same, labels, message)])


def column(labels: tf.Tensor, wanted: str) -> tf.Tensor:
    """[batch] of [batch] or [batch, 1].

    Raises:
        ValueError: they have another shape; it says what is wanted.
    """
    if labels.shape.rank is None:  # a graph that has seen both shapes
        return tf.reshape(labels, [-1])
    if labels.shape.rank == 2 and labels.shape[1] in (1, None):
        return labels[:, 0]
    if labels.shape.rank != 1:
        raise ValueError(f"a label must be {wanted}, got labels of {labels.shape}")
    return labels


def named(labels: tf.Tensor, right: tf.Tensor, why: str) -> tf.Tensor:
    """Strings once all are right; the first that is not fails, and is named.

    Args:
        labels: string [n].
        right: bool [n].
        why: the end of the message.

    >>> named(tf.constant(["a", "b"]), tf.constant([True, True]), "is odd").shape
    TensorShape([2])
    """
    wrong = tf.boolean_mask(labels, tf.logical_not(right))
    first = tf.concat([wrong, [""]], axis=0)[0]
    message = tf.strings.join(["label `", first, "` ", why])  # ' would be written \\'
    return _checked(labels, [tf.debugging.Assert(tf.reduce_all(right), [message])])


def _checked(tensor: tf.Tensor, checks: list[tf.Operation | None]) -> tf.Tensor:
    """The tensor once the checks have passed; those made eagerly, None, have."""
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(tensor)

"""Elementwise chains as one XLA kernel each, forward and backward.

On CPUs the products of a Transformer belong to oneDNN and everything between them to
XLA, which reads and writes memory once for a chain of elementwise operations.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from massivetext_keras.kernels.split import is_split

_here = threading.local()


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    before = in_island()
    _here.inside = True
    try:
        yield
    finally:
        _here.inside = before


def in_island() -> bool:
    """Whether what this thread traces becomes part of an XLA program of `island`."""
    return getattr(_here, "inside", False)


def island(function: Callable) -> Callable:
    """`function` of tensors as one XLA program inside the graph around it; on a mesh
    as it is."""

    def traced(*arguments):
        with _inside():
            return function(*arguments)

    program = tf.function(traced, jit_compile=True, autograph=False)

    def call(*arguments):
        return function(*arguments) if is_split() else program(*arguments)

    wrapped: Any = functools.update_wrapper(call, function)
    wrapped.get_concrete_function = program.get_concrete_function
    return wrapped


def fused(function: Callable) -> Callable:
    """Compiles a function of tensors, and its gradient, into one XLA program each.

    Args:
        function: takes tensors by position and static values by keyword, gives one
            tensor. It is traced once per combination of static values.

    Returns:
        A function with the same arguments. Its gradient with respect to the floating
        tensors recomputes `function`, so nothing but the arguments is kept in memory.

    >>> import tensorflow as tf
    >>> square = fused(lambda x: x * x)
    >>> float(square(tf.constant(3.0)))
    9.0
    """

    def compile(plain):
        forward = island(plain)

        @island
        def backward(upstream, *tensors):
            with tf.GradientTape() as tape:
                tape.watch([x for x in tensors if x.dtype.is_floating])
                output = plain(*tensors)
            return tape.gradient(output, tensors, upstream)

        @tf.custom_gradient
        def call(*tensors):
            return forward(*tensors), lambda upstream: backward(upstream, *tensors)

        return call

    return _per_static_values(function, compile)


def fused_elementwise(function: Callable) -> Callable:
    """`fused` for a function whose output has the shape of each of its tensors.

    Its slopes are made beside its values, which costs less than making the values
    again, and kept in place of the arguments.

    Args:
        function: takes floating tensors of one shape and dtype by position and static
            values by keyword; every output element depends on those at its place.

    >>> import tensorflow as tf
    >>> x = tf.constant([1.0, 3.0])
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = fused_elementwise(lambda x: x * x)(x)
    >>> tape.gradient(y, x).numpy().tolist()
    [2.0, 6.0]
    """

    def compile(plain):
        @island
        def forward(*tensors):
            output = plain(*tensors)
            # Not a tape: `tf.recompute_grad` stops all tapes while it goes forward.
            return output, tf.gradients(output, tensors)

        @tf.custom_gradient
        def call(*tensors):
            output, slopes = forward(*tensors)
            return output, lambda upstream: [upstream * slope for slope in slopes]

        return call

    return _per_static_values(function, compile)


def _per_static_values(function: Callable, compile: Callable) -> Callable:
    """`function`, compiled once for each combination of its keyword arguments."""

    @functools.cache
    def compiled(static: tuple) -> Callable:
        return compile(functools.partial(function, **dict(static)))

    @functools.wraps(function)
    def wrapper(*tensors, **static):
        tensors = [tf.convert_to_tensor(x) for x in tensors]
        return compiled(tuple(sorted(static.items())))(*tensors)

    return wrapper

"""A cell over the tokens of rows, one after another, with a gradient of its own.

What a token needs alone is one product before the loop. In the loop there is a product
with the state, forward and backward; the gradient of its matrix is one product of all
steps behind the loop, where that of TensorFlow's loop adds one of each step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.kernels.fused import island
from massivetext_keras.kernels.product import product as multiply
from massivetext_keras.kernels.recurrence.cells import Cell, States
from massivetext_keras.kernels.shapes import shape_of


class Rules(NamedTuple):
    """What happens to the states between two steps.

    Attributes:
        keep: [length, batch, 1], 0 where a row forgets its states before it reads a
            token, else 1 (None: none ever does).
        mask: [batch, units], what the product with the state multiplies the state by
            (None: by nothing).
    """

    keep: tf.Tensor | None = None
    mask: tf.Tensor | None = None

    def before(self, states: States, t: int | tf.Tensor) -> States:
        """States as step `t` reads them."""
        if self.keep is None:
            return states
        return tuple(x * tf.cast(self.keep[t], x.dtype) for x in states)

    def before_all(self, states: Sequence[tf.Tensor]) -> States:
        """States [length, batch, units] as all steps read them."""
        if self.keep is None:
            return tuple(states)
        return tuple(x * tf.cast(self.keep, x.dtype) for x in states)

    def masked(self, h: tf.Tensor) -> tf.Tensor:
        """The first state, or those of all steps, as the product reads it."""
        return h if self.mask is None else h * tf.cast(self.mask, h.dtype)


def scan(
    cell: Cell,
    projected: tf.Tensor,
    kernel: tf.Tensor,
    states: States,
    bias: tf.Tensor | None = None,
    rules: Rules | None = None,
    through: bool = False,
) -> tuple[tf.Tensor, States]:
    """The states of a cell after each token of some rows.

    Args:
        cell: of `cells.CELLS`.
        projected: [length, batch, gates * units], the tokens' products.
        kernel: [units, gates * units], that states are multiplied with.
        states: before the first token, [batch, units] each; the first of the dtype of
            `projected`, the others float32.
        bias: [gates * units] of the product with the state, of a cell with
            `of_product`; of others it is a part of `projected`.
        rules: what happens between steps (None: nothing).
        through: whether gradients flow to the states before the first token, and from
            those after the last one.

    Returns:
        The first state after each token, [length, batch, units]; and all of them after
        the last one.
    """
    rules = rules or Rules()
    if not through:
        states = tuple(tf.stop_gradient(x) for x in states)
    if bias is None:
        bias = tf.zeros([kernel.shape[1]], kernel.dtype)

    @tf.custom_gradient
    def call(projected, kernel, bias, *states):
        given, product = _forward(cell, projected, kernel, bias, states, rules)

        def backward(upstream, *of_last):
            seen = [
                tf.concat([x[None], y[:-1]], 0)
                for x, y in zip(states, given, strict=True)
            ]
            seen = rules.before_all(seen)
            factors = factors_of(cell)(projected, product, *seen, *given)
            of_projected, of_states = _backward(
                upstream, of_last, cell, kernel, factors, rules
            )
            of_product = of_projected
            if cell.of_product is not None:
                of_product = cell.of_product(of_projected, factors)
            read, slopes = (_rows(x) for x in (rules.masked(seen[0]), of_product))
            of_kernel = multiply(read, slopes, transpose_a=True)
            of_bias = tf.reduce_sum(slopes, axis=0)
            of_states = (
                tf.cast(x, y.dtype) for x, y in zip(of_states, states, strict=True)
            )
            return of_projected, of_kernel, of_bias, *of_states

        return (given[0], *(x[-1] for x in given)), backward

    given, *last = call(projected, kernel, bias, *states)
    return given, tuple(last if through else map(tf.stop_gradient, last))


def _forward(cell: Cell, projected, kernel, bias, states: States, rules: Rules):
    """All states after each token, and the products with those before it."""
    batch, units, dtype = projected.shape[1], kernel.shape[0], projected.dtype
    kinds = [(x.dtype, units) for x in states] + [(dtype, kernel.shape[1])]
    arrays, length = _arrays(projected, kinds)
    states = tuple(tf.ensure_shape(x, [batch, units]) for x in states)

    def step(t, states, arrays):
        before = rules.before(states, t)
        product = tf.matmul(rules.masked(before[0]), kernel)
        if cell.of_product is not None:
            product += bias
        after = cell.forward(
            _wide(projected[t]), _wide(product), tuple(map(_wide, before))
        )
        after = tuple(tf.cast(x, y.dtype) for x, y in zip(after, states, strict=True))
        written = zip(arrays, (*after, product), strict=True)
        return t + 1, after, tuple(x.write(t, y) for x, y in written)

    *_, arrays = _loop(length, step, states, arrays)
    *given, product = (x.stack() for x in arrays)
    return given, product


@functools.cache
def factors_of(cell: Cell) -> Callable[..., tf.Tensor]:
    """`Cell.factors` as one XLA program, float32; states before and after one behind
    another."""

    @island
    def made(projected, product, *states):
        states = tuple(map(_wide, states))
        before, after = states[: cell.states], states[cell.states :]
        return cell.factors(_wide(projected), _wide(product), before, after)

    return made


def _backward(upstream, of_last, cell: Cell, kernel, factors, rules: Rules):
    """Gradients of projected, [length, batch, gates * units], and of the states before
    the first token."""
    batch, units = upstream.shape[1:]
    arrays, length = _arrays(upstream, [(upstream.dtype, kernel.shape[1])])
    transposed = tf.transpose(kernel)

    def step(back, gradients, arrays):
        t = length - 1 - back
        first, *others = gradients
        of_projected, of_product, direct = cell.backward(
            (first + _wide(upstream[t]), *others), factors[t]
        )
        through = tf.matmul(tf.cast(of_product, upstream.dtype), transposed)
        gradients = (_wide(rules.masked(through)) + direct[0], *direct[1:])
        array = arrays[0].write(t, tf.cast(of_projected, upstream.dtype))
        return back + 1, rules.before(gradients, t), (array,)

    of_last = tuple(tf.ensure_shape(_wide(x), [batch, units]) for x in of_last)
    _, of_first, (array,) = _loop(length, step, of_last, arrays)
    return array.stack(), of_first


def _arrays(like: tf.Tensor, kinds: list[tuple[tf.DType, int]]):
    """An array to write each step into, for each dtype and width; and the length."""
    length, batch = shape_of(like)[0], like.shape[1]
    arrays = tuple(
        tf.TensorArray(kind, length, element_shape=[batch, width])
        for kind, width in kinds
    )
    return arrays, length


def _loop(length, step, states: States, arrays: tuple):
    """Steps, as many as there are tokens; one alone, as in decoding, in no loop."""
    if isinstance(length, int) and length == 1:
        return step(0, states, arrays)
    return tf.while_loop(
        lambda t, *_: t < length,
        step,
        (tf.constant(0), states, arrays),
        maximum_iterations=length,
        parallel_iterations=1,
    )


def _rows(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)

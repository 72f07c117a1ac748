"""A cell over the tokens of rows, one after another, with a gradient of its own.

What a token needs alone is one product before the loop. In the loop there is a product
with the state, forward and backward; the gradient of its matrix is one product of all
steps behind the loop, where that of TensorFlow's loop adds one of each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from massivetext_keras.kernels.product import product
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
) -> tuple[tf.Tensor, States]:
    """The states of a cell after each token of some rows.

    Args:
        cell: of `cells.CELLS`.
        projected: [length, batch, gates * units], the tokens' products.
        kernel: [units, gates * units], that states are multiplied with.
        states: before the first token, [batch, units] each; the first of the dtype of
            `projected`, the others float32. No gradient flows to them.
        bias: [gates * units] of the product with the state, of a cell with `own_bias`.
        rules: what happens between steps (None: nothing).

    Returns:
        The first state after each token, [length, batch, units]; and all of them after
        the last one, from which no gradient flows.
    """
    states, rules = tuple(tf.stop_gradient(x) for x in states), rules or Rules()
    if bias is None:
        bias = tf.zeros([kernel.shape[1]], kernel.dtype)

    @tf.custom_gradient
    def call(projected, kernel, bias):
        given, last, kept = _forward(cell, projected, kernel, bias, states, rules)

        def backward(upstream, *of_last):
            seen = [
                tf.concat([x[None], y[:-1]], 0)
                for x, y in zip(states, given, strict=True)
            ]
            return _backward(cell, upstream, kernel, seen, given, kept, rules)

        return (given[0], *last), backward

    given, *last = call(projected, kernel, bias)
    return given, tuple(tf.stop_gradient(x) for x in last)


def _forward(cell: Cell, projected, kernel, bias, states: States, rules: Rules):
    """All states after each token, those after the last one, and what is kept."""
    batch, units, dtype = projected.shape[1], kernel.shape[0], projected.dtype
    length = shape_of(projected)[0]
    kinds = [*(x.dtype for x in states), dtype][: cell.states + bool(cell.kept)]
    widths = [units] * cell.states + [units * cell.kept]
    arrays = tuple(
        tf.TensorArray(kind, length, element_shape=[batch, width])
        for kind, width in zip(kinds, widths, strict=False)
    )

    def step(t, states, arrays):
        before = rules.before(states, t)
        multiplied = tf.matmul(rules.masked(before[0]), kernel)
        if cell.own_bias:
            multiplied += bias
        after, kept = cell.forward(
            _wide(projected[t]), _wide(multiplied), tuple(map(_wide, before))
        )
        written = (*after, kept) if cell.kept else after
        written = [tf.cast(x, kind) for x, kind in zip(written, kinds, strict=True)]
        arrays = (x.write(t, y) for x, y in zip(arrays, written, strict=True))
        return t + 1, tuple(written[: cell.states]), tuple(arrays)

    states = tuple(tf.ensure_shape(x, [batch, units]) for x in states)
    _, last, arrays = tf.while_loop(
        lambda t, *_: t < length,
        step,
        (tf.constant(0), states, arrays),
        maximum_iterations=length,
        parallel_iterations=1,
    )
    stacks = [x.stack() for x in arrays]
    return stacks[: cell.states], last, stacks[cell.states :]


def _backward(cell: Cell, upstream, kernel, seen, given, kept, rules: Rules):
    """Gradients of projected, of the kernel and of the bias.

    Args:
        upstream: [length, batch, units].
        seen: the states that were there before each token.
        given: those after it.
        kept: what the forward pass kept, in a list, or none.
    """
    batch, units = upstream.shape[1:]
    length, dtype = shape_of(upstream)[0], upstream.dtype
    before = rules.before_all(seen)
    transposed = tf.transpose(kernel)
    width = kernel.shape[1]
    arrays = tuple(
        tf.TensorArray(dtype, length, element_shape=[batch, width])
        for _ in range(1 + cell.own_bias)
    )

    def step(back, gradients, arrays):
        t = length - 1 - back
        first, *others = gradients
        old, new = (tuple(_wide(x[t]) for x in states) for states in (before, given))
        of_projected, of_product, direct = cell.backward(
            (first + _wide(upstream[t]), *others),
            _wide(kept[0][t]) if kept else None,
            old,
            new,
        )
        of_product = tf.cast(of_product, dtype)
        through = rules.masked(tf.matmul(of_product, transposed))
        gradients = (_wide(through) + direct[0], *direct[1:])
        written = (of_product, tf.cast(of_projected, dtype))[: len(arrays)]
        arrays = (x.write(t, y) for x, y in zip(arrays, written, strict=True))
        return back + 1, rules.before(gradients, t), tuple(arrays)

    rows = shape_of(upstream)[1]
    zeros = tuple(
        tf.ensure_shape(tf.zeros([rows, units]), [batch, units])
        for _ in range(cell.states)
    )
    *_, arrays = tf.while_loop(
        lambda back, *_: back < length,
        step,
        (tf.constant(0), zeros, arrays),
        maximum_iterations=length,
        parallel_iterations=1,
    )
    of_product, of_projected = arrays[0].stack(), arrays[-1].stack()
    of_rows = tf.reshape(of_product, [-1, width])
    of_kernel = product(
        tf.reshape(rules.masked(before[0]), [-1, units]), of_rows, transpose_a=True
    )
    return of_projected, of_kernel, tf.reduce_sum(of_rows, axis=0)


def _wide(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)

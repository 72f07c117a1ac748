"""Recurrent cells: one step between its two products, and its gradient.

A step reads `projected`, the product of the token with its matrix, and `product`, that
of the state, both [batch, gates * units]. What of its gradient depends on no other
step is made for all steps at once, as factors: few small operations are left for the
loop that goes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

States = tuple[tf.Tensor, ...]  # [batch, units] each; the first is what a layer gives


class Cell(NamedTuple):
    """A recurrent cell.

    Attributes:
        gates: by which its products are wider than its state.
        states: tensors of its state.
        forward: projected, product, states -> new states.
        factors: projected, product, states before and states after, each with the
            length as one more axis -> [length, batch, some * units] for `backward`.
        backward: gradients of the new states, factors [batch, some * units] ->
            gradients of projected, of product, and those of the states before, as far
            as they do not come through the product.
        of_product: gradients of projected and factors, both of all steps -> those of
            product (None: they are the same).
    """

    gates: int
    states: int
    forward: Callable
    factors: Callable
    backward: Callable
    of_product: Callable | None = None


def _rnn(projected, product, states: States) -> States:
    return (tf.tanh(projected + product),)


def _rnn_factors(projected, product, before: States, after: States):
    return 1.0 - after[0] * after[0]


def _rnn_back(gradients: States, factors):
    slope = gradients[0] * factors
    return slope, slope, (tf.zeros_like(slope),)


def _lstm(projected, product, states: States) -> States:
    i, f, g, o = tf.split(projected + product, 4, axis=1)
    c = tf.sigmoid(f) * states[1] + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def _lstm_factors(projected, product, before: States, after: States):
    i, f, g, o = tf.split(projected + product, 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    inside = tf.tanh(after[1])
    of_c = [g * i * (1.0 - i), before[1] * f * (1.0 - f), i * (1.0 - g * g)]
    of_h = [inside * o * (1.0 - o), o * (1.0 - inside * inside)]
    return tf.concat([*of_c, *of_h, f], axis=-1)


def _lstm_back(gradients: States, factors):
    (dh, dc), (i, f, g, o, inside, keep) = gradients, tf.split(factors, 6, axis=1)
    dc = dc + dh * inside
    slope = tf.concat([dc * i, dc * f, dc * g, dh * o], axis=1)
    return slope, slope, (tf.zeros_like(dh), dc * keep)


def _gru(projected, product, states: States) -> States:
    (xz, xr, xn), (hz, hr, hn) = (tf.split(x, 3, axis=1) for x in (projected, product))
    z, n = tf.sigmoid(xz + hz), tf.tanh(xn + tf.sigmoid(xr + hr) * hn)
    return (n + z * (states[0] - n),)


def _gru_factors(projected, product, before: States, after: States):
    (xz, xr, xn), (hz, hr, hn) = (tf.split(x, 3, axis=-1) for x in (projected, product))
    z, r = tf.sigmoid(xz + hz), tf.sigmoid(xr + hr)
    n = tf.tanh(xn + r * hn)
    of_n = (1.0 - z) * (1.0 - n * n)
    of_gates = [(before[0] - n) * z * (1.0 - z), of_n * hn * r * (1.0 - r)]
    return tf.concat([*of_gates, of_n, r, z], axis=-1)


def _gru_back(gradients: States, factors):
    (dh,), (z, r, n, reset, keep) = gradients, tf.split(factors, 5, axis=1)
    dz, dr, dn = dh * z, dh * r, dh * n
    of_projected = tf.concat([dz, dr, dn], axis=1)
    return of_projected, tf.concat([dz, dr, dn * reset], axis=1), (dh * keep,)


def _gru_product(of_projected, factors):
    dz, dr, dn = tf.split(of_projected, 3, axis=-1)
    *_, reset, _ = tf.split(factors, 5, axis=-1)
    return tf.concat([dz, dr, dn * tf.cast(reset, dn.dtype)], axis=-1)


# In the order of Keras: of an LSTM input, forget gate, candidate, output; of a GRU
# update, reset, candidate.
CELLS = {
    "rnn": Cell(1, 1, _rnn, _rnn_factors, _rnn_back),
    "gru": Cell(3, 1, _gru, _gru_factors, _gru_back, _gru_product),
    "lstm": Cell(4, 2, _lstm, _lstm_factors, _lstm_back),
}

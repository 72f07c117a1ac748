"""Recurrent cells: one step between its two products, and its gradient.

A step reads `projected`, the product of the token with its matrix, and `product`, that
of the state, both [batch, gates * units]. It keeps what its gradient needs beside the
states before and after it.
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
        kept: tensors of `units` that it keeps for the backward pass.
        forward: projected, product, states -> new states, and what is kept, [batch,
            kept * units].
        backward: gradients of the new states; what was kept; states before and after
            -> gradients of projected and of product, and those of the states before, as
            far as they do not come through the product.
        own_bias: whether a bias of the product is not one of projected, too.
    """

    gates: int
    states: int
    kept: int
    forward: Callable
    backward: Callable
    own_bias: bool = False


def _rnn(projected, product, states: States):
    h = tf.tanh(projected + product)
    return (h,), h[:, :0]


def _rnn_back(gradients: States, kept, before: States, after: States):
    slope = gradients[0] * (1.0 - after[0] * after[0])
    return slope, slope, (tf.zeros_like(slope),)


def _lstm(projected, product, states: States):
    i, f, g, o = tf.split(projected + product, 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = f * states[1] + i * g
    return (o * tf.tanh(c), c), tf.concat([i, f, g, o], axis=1)


def _lstm_back(gradients: States, kept, before: States, after: States):
    (dh, dc), (i, f, g, o) = gradients, tf.split(kept, 4, axis=1)
    inside = tf.tanh(after[1])
    dc = dc + dh * o * (1.0 - inside * inside)
    slope = tf.concat(
        [
            dc * g * i * (1.0 - i),
            dc * before[1] * f * (1.0 - f),
            dc * i * (1.0 - g * g),
            dh * inside * o * (1.0 - o),
        ],
        axis=1,
    )
    return slope, slope, (tf.zeros_like(dh), dc * f)


def _gru(projected, product, states: States):
    (xz, xr, xn), (hz, hr, hn) = (tf.split(x, 3, axis=1) for x in (projected, product))
    z, r = tf.sigmoid(xz + hz), tf.sigmoid(xr + hr)
    n = tf.tanh(xn + r * hn)
    return (z * states[0] + (1.0 - z) * n,), tf.concat([z, r, n, hn], axis=1)


def _gru_back(gradients: States, kept, before: States, after: States):
    (dh,), (z, r, n, hn) = gradients, tf.split(kept, 4, axis=1)
    dn = dh * (1.0 - z) * (1.0 - n * n)
    dz = dh * (before[0] - n) * z * (1.0 - z)
    dr = dn * hn * r * (1.0 - r)
    of_projected = tf.concat([dz, dr, dn], axis=1)
    of_product = tf.concat([dz, dr, dn * r], axis=1)
    return of_projected, of_product, (dh * z,)


# In the order of Keras: of an LSTM input, forget gate, candidate, output; of a GRU
# update, reset, candidate.
CELLS = {
    "rnn": Cell(1, 1, 0, _rnn, _rnn_back),
    "gru": Cell(3, 1, 4, _gru, _gru_back, own_bias=True),
    "lstm": Cell(4, 2, 4, _lstm, _lstm_back),
}

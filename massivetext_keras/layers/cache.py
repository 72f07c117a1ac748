"""What cached decoding carries from token to token: keys and values, or states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class LayerCache(NamedTuple):
    """Keys and values of one layer, [batch, key_value_heads, capacity, head_size]."""

    keys: tf.Tensor
    values: tf.Tensor


class Cache(NamedTuple):
    """What cached decoding carries from step to step.

    Attributes:
        layers: keys and values of every layer.
        start: int32 scalar, how many places are filled; or [batch], how many of each
            row, where rows are not of one age.
        padding: int32 [batch], places at the left that are padding.
        memory: keys and values of the second sequence, of every layer that has cross
            attention.
        memory_mask: int32 [batch, keys], 0 at the second sequence's padding; () where
            there is none.
    """

    layers: tuple[LayerCache, ...]
    start: tf.Tensor
    padding: tf.Tensor
    memory: tuple[LayerCache, ...] = ()
    memory_mask: tf.Tensor | tuple = ()

    @property
    def starts(self) -> tf.Tensor:
        """`start` as what is added to places, int32 [] or [batch, 1]."""
        return _by_row(self.start)

    @property
    def places(self) -> tf.Tensor:
        """Tokens that it has room for, int32 scalar."""
        return tf.shape(self.layers[0].keys)[2]

    def with_places(self, places: tf.Tensor) -> Cache:
        """The same with room for more tokens."""
        new = places - self.places
        paddings = [[0, 0], [0, 0], [0, new], [0, 0]]
        layers = tf.nest.map_structure(lambda x: tf.pad(x, paddings), self.layers)
        return self._replace(layers=layers)


class StateCache(NamedTuple):
    """What cached decoding with a recurrent model carries from step to step.

    Attributes:
        layers: the states of every layer, [batch, units] each.
        start: int32 scalar, or [batch], how many tokens were read.
        padding: int32 [batch], those at the left that are padding.
        places: int32 scalar, tokens that the text has room for; a state has no bound.
        memory: what attention looks at, [batch, keys, …] each.
        memory_mask: int32 [batch, keys], 0 at padding of it; () where there is none.
    """

    layers: tuple[tuple[tf.Tensor, ...], ...]
    start: tf.Tensor
    padding: tf.Tensor
    places: tf.Tensor
    memory: tuple[tf.Tensor, ...] = ()
    memory_mask: tf.Tensor | tuple = ()

    @property
    def starts(self) -> tf.Tensor:
        """See `Cache.starts`."""
        return _by_row(self.start)

    def with_places(self, places: tf.Tensor) -> StateCache:
        """The same with room for more tokens."""
        return self._replace(places=places)


def _by_row(start: tf.Tensor) -> tf.Tensor:
    return start[:, None] if start.shape.rank else start


def at_beginning(start: int | tf.Tensor) -> bool:
    """Whether `start`, or each of them, is known to be 0 while the graph is built."""
    value = start if isinstance(start, int) else tf.get_static_value(start)
    return value is not None and not np.any(value)


def write(cache: tf.Tensor, new: tf.Tensor, start: int | tf.Tensor) -> tf.Tensor:
    """A cache [b, heads, capacity, size] with `new` [b, heads, n, size] at `start`,
    which is one number for all rows, or [b].

    A scatter over flattened rows, which XLA does in place inside a loop.
    """
    rows = tf.shape(new)[2]
    if at_beginning(start):
        return tf.concat([new, cache[:, :, rows:]], axis=2)
    shape = tf.shape(cache)
    capacity, size = shape[2], cache.shape[3]
    if not isinstance(start, int) and start.shape.rank:
        start = tf.repeat(start, cache.shape[1])
    first = tf.range(shape[0] * cache.shape[1]) * capacity + start
    places = tf.reshape(first[:, None] + tf.range(rows), [-1, 1])
    flat = tf.tensor_scatter_nd_update(
        tf.reshape(cache, [-1, size]), places, tf.reshape(new, [-1, size])
    )
    return tf.reshape(flat, shape)

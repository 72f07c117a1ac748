"""Random numbers as a hash of position, key and order of calls."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from massivetext_keras.kernels.split import split_rows_and_heads

_scopes = threading.local()  # replicas are traced in threads of their own

# Keys that are made together, by operations that one of them alone would take.
_TOGETHER = 16


@dataclasses.dataclass
class _Scope:
    """Where keys come from.

    Attributes:
        key: uint32 scalar, that they are made of.
        drawn: how many have been drawn.
        made: the graph that keys were made in, and which of them: keys by place.
    """

    key: tf.Tensor
    drawn: int = 0
    made: tuple[Any, dict[int, tf.Tensor]] = (None, {})

    def next_key(self) -> tf.Tensor:
        self.drawn += 1
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        if self.made[0] is not graph or self.drawn not in self.made[1]:
            places = range(self.drawn, self.drawn + _TOGETHER)
            # odd: no two are equal
            numbers = [place * 0x9E3779B1 % 2**32 for place in places]
            keys = _mixed(self.key + tf.constant(numbers, tf.uint32))
            self.made = graph, dict(zip(places, tf.unstack(keys), strict=True))
        return self.made[1][self.drawn]


def random_bits(
    shape: tuple, key: tf.Tensor, between_products: bool = False
) -> tf.Tensor:
    """32 random bits for every position of a tensor.

    Hashes the position with the key by xor-shift-multiply rounds with the constants of
    Wellons, 2018 (`lowbias32`), which takes a quarter of Philox's time on a CPU.

    Args:
        shape: of the result; entries may be tensors.
        key: uint32 scalar.
        between_products: for hidden states whose tokens devices may share.

    Returns:
        uint32 tensor of that shape.
    """
    bits = tf.reshape(tf.range(tf.reduce_prod(shape), dtype=tf.int32), shape)
    position = tf.bitcast(split_rows_and_heads(bits, between_products), tf.uint32)
    return _mixed(position * tf.constant(0x9E3779B9, tf.uint32) + key)


def _mixed(bits: tf.Tensor) -> tf.Tensor:
    """The rounds of `random_bits`, uint32 of any shape."""

    def shifted(shift: int) -> tf.Tensor:
        right = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32))
        return tf.bitwise.bitwise_xor(bits, right)

    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = shifted(shift) * tf.constant(factor, tf.uint32)
    return shifted(16)


def hashed(*numbers: int | tf.Tensor) -> tf.Tensor:
    """uint32 scalar: a key made of integers, another one for each row of them."""
    key = tf.zeros([], tf.uint32)
    for number in numbers:
        key = _mixed(key + tf.cast(number, tf.uint32))
    return key


def replica_id() -> int | tf.Tensor:
    """Number of the replica that is traced, 0 where there is one device."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group


@contextlib.contextmanager
def keys_from(key: tf.Tensor):
    """Inside, all dropout of this thread takes its keys from one, in order of calls.

    So the masks are a function of the key: what is made again has the same ones.

    Args:
        key: uint32 scalar.
    """
    before = getattr(_scopes, "now", None)
    _scopes.now = _Scope(key)
    try:
        yield
    finally:
        _scopes.now = before


def next_key_in_scope() -> tf.Tensor | None:
    """uint32 scalar: the next key of the innermost `keys_from`, or None outside."""
    scope = getattr(_scopes, "now", None)
    return None if scope is None else scope.next_key()


def draw_keys(count: int) -> None:
    """Passes over keys of the innermost `keys_from`, if this is inside of one."""
    scope = getattr(_scopes, "now", None)
    if scope is not None:
        scope.drawn += count


@contextlib.contextmanager
def own_keys(drawing: bool = True):
    """Inside, keys come from one, which is the next of `keys_from`.

    So how many are drawn inside changes nothing of what is drawn after it.

    Args:
        drawing: whether there is anything to draw; if not, or outside of `keys_from`,
            nothing changes.
    """
    key = next_key_in_scope() if drawing else None
    if key is None:
        yield
        return
    with keys_from(key):
        yield


def with_own_keys(function: Callable) -> Callable:
    """`function` such that each time it is called it draws the same keys.

    They come from the next key of `keys_from`; outside of one, `function` as it is.
    """
    key = next_key_in_scope()
    if key is None:
        return function

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with keys_from(key):
            return function(*args, **kwargs)

    return wrapper


def with_equal_keys(*functions: Callable[[], Any]) -> list[Any]:
    """What functions give that all begin with the same key of `keys_from`."""
    scope = getattr(_scopes, "now", None)
    begun = None if scope is None else scope.drawn
    given = []
    for function in functions:
        if scope is not None:
            scope.drawn = begun
        given.append(function())
    return given

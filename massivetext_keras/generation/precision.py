"""The precision in which models write and score."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from massivetext_keras.support.threads import TRACING


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """Within the block, calls of a model compute in float32; its weights stay.

    Where products are rounded to 16 bits, the ways to compute a graph differ by enough
    to change a text, and a compiled loop on a CPU is slower. Graphs keep what holds
    while they are traced, so the block belongs into the function that is traced; other
    threads wait before theirs.

    >>> layer = keras.layers.Dense(1, dtype="mixed_bfloat16")
    >>> with in_float32(layer):
    ...     layer(keras.ops.ones([1, 2])).dtype.name
    'float32'
    >>> layer(keras.ops.ones([1, 2])).dtype.name
    'bfloat16'
    """
    with TRACING:
        layers = model._flatten_layers()
        policies = [layer.dtype_policy for layer in layers]
        try:
            for layer in layers:
                layer.dtype_policy = "float32"
            yield
        finally:
            for layer, policy in zip(layers, policies, strict=True):
                layer.dtype_policy = policy

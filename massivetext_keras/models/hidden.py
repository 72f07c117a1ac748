"""Hidden states behind the blocks of models, for who asks for them around a call."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import tensorflow as tf

_here = threading.local()


@contextlib.contextmanager
def hidden_states() -> Iterator[list[tf.Tensor]]:
    """A list that gets [batch, length, d] of each block that is called inside, those of
    an encoder before those of a decoder.

    >>> with hidden_states() as found:
    ...     tell(tf.zeros([1, 3, 4]))
    >>> [x.shape.as_list() for x in found]
    [[1, 3, 4]]
    """
    before, _here.found = getattr(_here, "found", None), []
    try:
        yield _here.found
    finally:
        _here.found = before


def tell(hidden: tf.Tensor) -> None:
    """Is called by a model with what a block gives."""
    if getattr(_here, "found", None) is not None:
        _here.found.append(hidden)

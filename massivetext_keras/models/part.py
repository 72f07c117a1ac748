"""A part of a model's blocks, run as if it were the whole model: a pipeline's stage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import tensorflow as tf

_here = threading.local()


class Part(NamedTuple):
    """Some of the blocks of a stack.

    Attributes:
        blocks: their numbers.
        last: whether they are the last ones.
        entered: [batch, length, d], what the block before them gave (None: they are the
            first ones, and token ids enter).
    """

    blocks: range
    last: bool
    entered: tf.Tensor | None = None


class _Left(BaseException):
    """Hidden states leave the last block of a part.

    Not an `Exception`: what is between the block and `run_part` is not to handle it.
    """

    def __init__(self, hidden: tf.Tensor):
        super().__init__()
        self.hidden = hidden


def run_part(part: Part, function: Callable[[], object]):
    """What a function gives that calls a model of which a part is here.

    Args:
        part: of the model.
        function: calls the model once, and goes on with what it gives.

    Returns:
        What the function gives or, of a part that is not the last one, the hidden
        states that leave it, [batch, length, d].

    Raises:
        ValueError: the function calls the model again.
    """
    try:
        with _running(part):
            return function()
    except _Left as left:
        return left.hidden


@contextlib.contextmanager
def _running(part: Part) -> Iterator[None]:
    _here.parts = [part]
    try:
        yield
    finally:
        _here.parts = None


def part_to_run() -> Part | None:
    """The part that `run_part` runs (None: the whole model); a model asks once."""
    parts = getattr(_here, "parts", None)
    if parts is None:
        return None
    if not parts:
        raise ValueError(
            "a task that calls its model more than once for a batch is not cut into "
            "stages: use the data and tensor axes of a mesh"
        )
    return parts.pop()


def leave(hidden: tf.Tensor) -> None:
    """Ends the run of a part with its hidden states."""
    raise _Left(hidden)

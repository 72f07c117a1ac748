"""One text or several, of whatever people hold strings in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Texts = Any
"""One text or several: `str`, bytes, a string tensor or array, or a list of such."""


def as_texts(what: str, value: Texts) -> tuple[list[str], bool]:
    """Texts as a list, and whether there is but one, which is in no list.

    Args:
        what: such a text is called, for messages.
        value: a string, or any number of them: Python's or NumPy's strings, bytes of
            UTF-8 (what is none becomes U+FFFD), tensors, arrays, a column of a table,
            lists, tuples, generators.

    Raises:
        ValueError: something is no string.

    >>> as_texts("prompt", "a")
    (['a'], True)
    >>> import tensorflow as tf
    >>> as_texts("prompt", tf.constant(["é", "b"]))
    (['é', 'b'], False)
    """
    value = as_python(value)
    if isinstance(value, str):
        return [value], True
    if not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise ValueError(f"a {what} must be a string or a list of them, got {value!r}")
    texts = [as_python(text) for text in value]
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"{what} {i} is no string: {text!r}")
    return texts, False


def as_python(value: Any) -> Any:
    """Python's string for any kind of one, a list for an array; all else stays.

    >>> (
    ...     as_python(b"a"),
    ...     as_python(np.str_("b")),
    ...     as_python(np.array(["c"])),
    ...     as_python(3),
    ... )
    ('a', 'b', ['c'], 3)
    """
    if callable(getattr(value, "numpy", None)):  # a tensor
        value = value.numpy()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value) if isinstance(value, str) else value

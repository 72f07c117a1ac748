"""What people keep examples in: lists, arrays, frames, datasets, or files."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from massivetext_keras import corpus
from massivetext_keras.reading.find import search
from massivetext_keras.text.strings import as_python

logger = logging.getLogger(__name__)

_SUFFIX = re.compile(r"[.=]\w{1,8}$|[/\\*]$")
# How programs write into a table that there is no value.
_MISSING = {"nan", "NaN", "NAN", "<NA>"}


def are_files(data: Any) -> bool:
    """Whether data are names of files, folders and patterns, and not texts themselves.

    A string alone is a name. Strings in a list are names too, unless none of them is
    that of a file and all have a space or a line's end in them, and no suffix.

    Raises:
        ValueError: they may be either.

    >>> are_files("a.txt"), are_files(["Once upon", "a time"]), are_files([("a", "b")])
    (True, False, False)
    """
    if isinstance(data, str | Path):
        return True
    if not isinstance(data, list | tuple) or not data or hasattr(data, "_fields"):
        return False
    if not all(isinstance(x, str | Path) for x in data):
        return False
    names = [x for x in data if isinstance(x, Path) or not _is_prose(x)]
    if len(names) == len(data) or any(map(_there, data)):
        return True
    if names:
        raise ValueError(
            f"{str(names[0])[:80]!r} is the name of no file; if it is a text, give "
            "texts as an array (numpy.array), a tf.data.Dataset or dicts"
        )
    logger.info("%s strings that name no file are taken as texts", f"{len(data):,}")
    return False


def _is_prose(text: str) -> bool:
    return any(c.isspace() for c in text) and not _SUFFIX.search(text)


def _there(name: str | Path) -> bool:
    try:
        return bool(search(name)[0])
    except (FileNotFoundError, ValueError, OSError):  # a text may be too long for one
        return False


def is_frame(data: Any) -> bool:
    """Whether data are a table with named columns, as those of pandas and polars."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def rows_of(data: Any) -> Iterator[Any]:
    """What is in a container, one after another, in values of Python.

    A frame, a mapping of columns, or a tf.data.Dataset of dicts gives dicts; of tuples,
    tuples; batches of a dataset are taken apart. Numbers that are none (NaN), and
    pandas' NA, are None.

    Raises:
        ValueError: columns are not as long as one another, or it is no container.

    >>> list(rows_of({"text": ["a", "b"], "label": np.array([1, np.nan])}))
    [{'text': 'a', 'label': 1.0}, {'text': 'b', 'label': None}]
    >>> list(rows_of(tf.data.Dataset.from_tensor_slices((["a"], [2]))))
    [('a', 2)]
    """
    if hasattr(data, "to_pylist"):  # of Arrow
        data = data.to_pylist()
    if is_frame(data):
        data = {str(name): list(data[name]) for name in data.columns}
    if isinstance(data, Mapping):
        columns = {name: list(values) for name, values in data.items()}
        if len({len(values) for values in columns.values()}) > 1:
            sizes = ", ".join(f"{k} {len(v):,}" for k, v in columns.items())
            raise ValueError(f"columns of other lengths: {sizes}")
        rows = zip(*columns.values(), strict=True)
        data = (dict(zip(columns, row, strict=True)) for row in rows)
    elif isinstance(data, tf.data.Dataset):
        if tf.nest.flatten(data.element_spec)[0].shape.rank:
            data = data.unbatch()
        data = data.as_numpy_iterator()
    elif not hasattr(data, "__iter__"):
        raise ValueError(f"a {type(data).__name__} holds no examples")
    return map(plain, data)


def plain(value: Any) -> Any:
    """A value of NumPy, TensorFlow or pandas as one of Python.

    >>> plain((np.int64(3), b"caf\\xc3\\xa9", float("nan"), np.array([1, 0])))
    (3, 'café', None, [1, 0])
    """
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value  # an example
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    value = as_python(value)
    if isinstance(value, list):  # of an array
        return plain(value)
    if isinstance(value, np.generic):
        value = value.item()
    return None if is_missing(value) else value


def is_missing(value: Any) -> bool:
    """Whether a value says that there is none.

    >>> [is_missing(x) for x in (None, float("nan"), "nan", "", 0, "None")]
    [True, True, True, False, False, False]
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and value in _MISSING


def texts_of(data: Any) -> list[str]:
    """Documents: those of files, or texts in memory.

    Args:
        data: names of files, folders and patterns; or texts in a list, an array, a
            tf.data.Dataset, a frame's or dicts' column "text".

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: there is no text.
    """
    if are_files(data):
        return list(corpus.read_documents(data))
    texts = []
    for i, row in enumerate(rows_of(data)):
        text = row.get("text") if isinstance(row, Mapping) else row
        if text is not None and not isinstance(text, str):
            raise ValueError(f"row {i} is no text: {str(row)[:80]!r}")
        if text:
            texts.append(text)
    if not texts:
        raise ValueError("there are no texts")
    return texts

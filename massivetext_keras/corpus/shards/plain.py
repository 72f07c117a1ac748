"""Values as JSON that every reader takes, whatever records and steps came up with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

from massivetext_keras.reading.encodings import valid

_SORTED = {False: 0, True: orjson.OPT_SORT_KEYS}


def to_json(values: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Values as JSON in UTF-8, without white space.

    Integers of any size are written as they are. NaN and infinity, which JSON does not
    have, become null, halves of surrogate pairs U+FFFD, bytes the text they are in
    UTF-8, and what else JSON has no form for, such as a path, its `str`.

    >>> to_json({"b": 2**70, "a": [float("nan"), "\\ud83d"]}).decode()
    '{"b":1180591620717411303424,"a":[null,"�"]}'
    """
    try:
        option = orjson.OPT_SERIALIZE_NUMPY | _SORTED[sort_keys]
        return orjson.dumps(values, option=option)
    except TypeError:  # what it does not take, integers beyond 64 bits too
        plain = _plain(values)
    return json.dumps(
        plain,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
        sort_keys=sort_keys,
    ).encode()


def from_json(data: bytes | None) -> dict[str, Any]:
    """The inverse of `to_json`, with integers of any size; no data are no values.

    >>> from_json(b'{"a":1180591620717411303424}')["a"] == 2**70
    True
    """
    return json.loads(data or b"{}")


def _plain(value: Any) -> Any:
    """Nested values as JSON has them."""
    if isinstance(value, str):
        return valid(value)
    if value is None or isinstance(value, int):  # bool too
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {valid(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):  # of NumPy
        return _plain(value.tolist())
    return valid(str(value))

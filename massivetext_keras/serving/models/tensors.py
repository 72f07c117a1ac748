"""Tensors in JSON, by the rules of TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from massivetext_keras.serving.fields import encoded
from massivetext_keras.serving.refusals import Refusal

_KINDS = {"b": "booleans", "i": "whole numbers", "u": "whole numbers", "f": "numbers"}


class Spec(NamedTuple):
    """What an input or output of a signature is.

    Attributes:
        dtype: NumPy's; objects are strings.
        shape: None for a dimension that may be anything.
        default: an array for an input that may be left out, else None.
        tensor: its name in the graph.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]
    default: np.ndarray | None = None
    tensor: str = ""

    @property
    def has_rows(self) -> bool:
        """Whether there is a row for each text. What can be left out, such as stop
        strings, is one for all of them."""
        return bool(self.shape) and self.shape[0] is None and self.default is None


def info(spec: Spec) -> tuple[tf.DType, list[int]]:
    """The type and the shape of an input or output, as TensorFlow says them.

    >>> info(Spec(np.dtype(object), (None, 2)))
    (tf.string, [-1, 2])
    """
    kind = tf.string if spec.dtype.kind == "O" else tf.as_dtype(spec.dtype)
    return kind, [-1 if size is None else size for size in spec.shape]


def given_inputs(
    body: Mapping[str, Any], specs: Mapping[str, Spec]
) -> tuple[dict[str, np.ndarray], bool]:
    """The inputs of a request, and whether they came row by row.

    Args:
        body: of the request, with `instances` or `inputs`.
        specs: of the signature's inputs, by name.

    Raises:
        Refusal: something is missing, unknown, or of another type or shape.

    >>> text = {"text": Spec(np.dtype(object), (None,))}
    >>> given_inputs({"instances": ["a", {"b64": "Yg=="}]}, text)
    ({'text': array([b'a', b'b'], dtype=object)}, True)
    >>> given_inputs({"inputs": {"text": ["a"]}}, text)
    ({'text': array([b'a'], dtype=object)}, False)
    """
    if ("instances" in body) == ("inputs" in body):
        raise Refusal(400, "instances or inputs must be given, and not both", "inputs")
    by_rows = "instances" in body
    named = _of_rows(body["instances"], specs) if by_rows else body["inputs"]
    if not _is_named(named, specs):
        if len(_needed(specs)) != 1:
            wanted = ", ".join(specs)
            raise Refusal(400, f"inputs must be an object with {wanted}", "inputs")
        named = {_needed(specs)[0]: named}
    if unknown := [name for name in named if name not in specs]:
        known = ", ".join(specs)
        raise Refusal(400, f"inputs: unknown {unknown[0]!r}: known: {known}", "inputs")
    found = {}
    for name, spec in specs.items():
        if name in named:
            found[name] = as_array(name, named[name], spec)
        elif spec.default is not None:
            found[name] = spec.default
        else:
            raise Refusal(400, f"inputs: {name} is missing", name)
    return found, by_rows


def _needed(specs: Mapping[str, Spec]) -> list[str]:
    """The inputs that have no default."""
    return [name for name, spec in specs.items() if spec.default is None]


def _is_named(value: Any, specs: Mapping[str, Spec]) -> bool:
    """Whether it is an object of inputs by name, and not the bytes of a single one."""
    return isinstance(value, Mapping) and (set(value) != {"b64"} or "b64" in specs)


def _of_rows(instances: Any, specs: Mapping[str, Spec]) -> Any:
    """Columns of instances."""
    if not isinstance(instances, list) or not instances:
        raise Refusal(400, "instances must be a list that is not empty", "instances")
    if not _is_named(instances[0], specs):
        return instances
    names = list(instances[0])
    for i, row in enumerate(instances):
        if not isinstance(row, Mapping) or set(row) != set(names):
            wanted = ", ".join(names)
            raise Refusal(
                400, f"instances[{i}] must be an object with {wanted}", "instances"
            )
    for name in names:
        if name in specs and not (specs[name].shape and specs[name].default is None):
            why = f"instances: {name} is one value for all rows: use inputs"
            raise Refusal(400, why, name)
    return {name: [row[name] for row in instances] for name in names}


def as_array(name: str, value: Any, spec: Spec) -> np.ndarray:
    """A value of JSON as an array.

    Raises:
        Refusal: it is of another type or shape.
    """
    leaves: list[Any] = []
    shape = _shape(name, value, leaves, len(spec.shape))
    wrong = [n for n, s in zip(shape, spec.shape, strict=True) if s not in (None, n)]
    if wrong:
        wanted = ["any" if n is None else n for n in spec.shape]
        raise Refusal(400, f"{name} has shape {shape}, not {wanted}", name)
    convert = _as_bytes if spec.dtype.kind == "O" else _as_number
    flat = np.empty(len(leaves), spec.dtype)
    for i, leaf in enumerate(leaves):
        flat[i] = convert(name, leaf, spec.dtype)
    return flat.reshape(shape)


def _shape(name: str, value: Any, leaves: list[Any], rank: int) -> list[int]:
    """The shape of nested lists; what is in them is put into `leaves`."""
    level = [value]
    shape = []
    for _ in range(rank):
        if not all(isinstance(x, list) for x in level):
            raise Refusal(400, f"{name} must be lists, {rank} deep", name)
        lengths = {len(x) for x in level}
        if len(lengths) > 1:
            raise Refusal(400, f"{name} has rows of different lengths", name)
        shape.append(lengths.pop() if lengths else 0)
        level = [x for inner in level for x in inner]
    leaves += level
    return shape


def _as_bytes(name: str, value: Any, _: np.dtype) -> bytes:
    if isinstance(value, Mapping) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise Refusal(400, f"{name}: b64 is no base64", name) from None
    if not isinstance(value, str):
        raise Refusal(400, f"{name} must be strings, got {_short(value)}", name)
    return encoded(value, name, 400)


def _as_number(name: str, value: Any, dtype: np.dtype) -> Any:
    taken = bool if dtype.kind == "b" else int if dtype.kind in "iu" else (int, float)
    if not isinstance(value, taken) or isinstance(value, bool) != (dtype.kind == "b"):
        wanted = _KINDS.get(dtype.kind, str(dtype))
        raise Refusal(400, f"{name} must be {wanted}, got {_short(value)}", name)
    try:
        return dtype.type(value)
    except OverflowError:
        why = f"{name}: {_short(value)} is no {dtype.name}"
        raise Refusal(400, why, name) from None


def _short(value: Any) -> str:
    """What a value is, in few words, and none of a text."""
    if isinstance(value, bool | int | float | None):
        text = "null" if value is None else str(value).lower()
        return text if len(text) < 24 else f"{text[:20]}…"
    return {"str": "a string", "list": "a list"}.get(type(value).__name__, "an object")


def answered(outputs: Mapping[str, np.ndarray], by_rows: bool, rows: int) -> dict:
    """The JSON of an answer.

    Args:
        outputs: of the signature, by name.
        by_rows: whether the request came row by row.
        rows: of the request.

    >>> answered({"y": np.array([1.5, 2.0])}, True, 2)
    {'predictions': [1.5, 2.0]}
    >>> answered({"y": np.array([b"a"], object)}, False, 1)
    {'outputs': ['a']}
    """
    values = {name: _plain(name, array) for name, array in sorted(outputs.items())}
    if not by_rows:
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    for name, array in outputs.items():
        if not array.ndim or len(array) != rows:
            raise Refusal(
                400, f"output {name} has no row for each instance: use inputs"
            )
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows_of = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows_of]}


def _plain(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind == "O":
        encode = _b64 if name.endswith("_bytes") else _text
        flat = np.empty(array.size, object)
        flat[:] = [encode(x) for x in array.reshape(-1).tolist()]
        return flat.reshape(array.shape).tolist()
    if array.dtype == np.float32:  # as short as they can be told from one another
        texts = array.reshape(-1).astype(str)
        return texts.astype(np.float64).reshape(array.shape).tolist()
    return array.tolist()


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}

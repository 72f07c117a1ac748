"""What it takes to read a family of models: its config and a table of its names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.interop.weights import Shape

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


class Rule(NamedTuple):
    """Tensors of theirs which, side by side along the last axis, are one of ours.

    Attributes:
        parts: their names, in order, and their shapes.
        transposed: theirs are [out, in], as in torch's `Linear`; ours are [in, out].
    """

    parts: dict[str, Shape]
    transposed: bool = False

    @property
    def shape(self) -> Shape:
        """Of our variable."""
        shapes = [s[::-1] if self.transposed else s for s in self.parts.values()]
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def join(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Our variable from their tensors.

        >>> rule = Rule({"q": (1, 2), "k": (1, 2)}, transposed=True)
        >>> rule.join({"q": np.array([[1, 2]]), "k": np.array([[3, 4]])}).tolist()
        [[1, 3], [2, 4]]
        """
        arrays = [tensors[name] for name in self.parts]
        if self.transposed:
            arrays = [array.T for array in arrays]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)


# Names of our variables -> how each comes from theirs.
Table = dict[str, Rule]


class Family(NamedTuple):
    """How one `model_type` is read.

    Attributes:
        read: the values of `config.json` -> our config.
        table: our config and the prefix of their names -> the table of names.
        prefix: of their names in a model with an output layer.
        embedding: their name of the token embedding, without the prefix.
        buffers: a pattern of names that are no weights.
    """

    read: Callable[[Mapping[str, Any]], TransformerConfig]
    table: Callable[[TransformerConfig, str], Table]
    prefix: str
    embedding: str
    buffers: str


def dense(
    ours: str,
    inputs: int,
    outputs: Mapping[str, int],
    *,
    bias: bool,
    transposed: bool,
) -> Table:
    """The rules of a `Dense` layer made of one or more of theirs.

    Args:
        ours: path of the layer.
        inputs: width of what goes in.
        outputs: their layers, in order, and the width of what comes out of each.
        bias: whether there is one.
        transposed: see `Rule`.

    >>> list(dense("up", 2, {"gate": 3, "up": 3}, bias=False, transposed=True).values())
    [Rule(parts={'gate.weight': (3, 2), 'up.weight': (3, 2)}, transposed=True)]
    """
    kernels = {
        f"{name}.weight": (size, inputs) if transposed else (inputs, size)
        for name, size in outputs.items()
    }
    table = {f"{ours}/kernel": Rule(kernels, transposed)}
    if bias:
        biases = {f"{name}.bias": (size,) for name, size in outputs.items()}
        table[f"{ours}/bias"] = Rule(biases)
    return table


def value_of(values: Mapping[str, Any], name: str, default: Any) -> Any:
    """A value of a config; null and absence are the default."""
    value = values.get(name)
    return default if value is None else value


def known(name: str, value: Any, table: Mapping[str, Any]) -> Any:
    """Looks up what a config asks for.

    Raises:
        ValueError: it is not in the table.

    >>> known("hidden_act", "mish", {"relu": "relu", "silu": "silu"})
    Traceback (most recent call last):
    ValueError: hidden_act="mish" is not supported; known: "relu", "silu"
    """
    if isinstance(value, str) and value in table:
        return table[value]
    raise unsupported(name, value, *sorted(table))


def require(values: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    """Refuses values that would change the model; absence is fine.

    Raises:
        ValueError: a value is another one than in `only`.
    """
    for name, wanted in only.items():
        if value_of(values, name, wanted) != wanted:
            raise unsupported(name, values[name], wanted)


def unsupported(name: str, value: Any, *options: Any) -> ValueError:
    """The error that names a field, its value and the values that are known."""
    listed = ", ".join(map(json.dumps, options))
    return ValueError(f"{name}={json.dumps(value)} is not supported; known: {listed}")

"""A graph of ONNX while it is written: nodes, weights by name, inputs and outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from massivetext_keras import __version__
from massivetext_keras.support.extras import need

OPSET = 18  # onnxruntime since 1.14
IR_VERSION = 8
EXTRA = "onnx"

# A size that is known, or the name of one that is not.
Shape = Sequence[int | str]


class Graph:
    """A graph to which operations are added, in the order in which they run.

    A tensor is the name of what gives it. Where an operation takes one, a number or an
    array may stand, and becomes a constant: integers int64, others float32.

    Args:
        weights: arrays by name, for `weight`.

    >>> graph = Graph({"w": np.eye(2, dtype=np.float32)})
    >>> x = graph.input("x", np.float32, ["rows", 2])
    >>> graph.output("y", graph.op("MatMul", x, graph.weight("w")), ["rows", 2])
    >>> [node.op_type for node in graph.model("double").graph.node]
    ['MatMul', 'Identity']
    """

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self._onnx = need("onnx", EXTRA)
        self._weights = weights
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._constants: dict[tuple, str] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._scope: list[str] = []
        self._count = 0

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Inside, names of nodes begin with this one."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def input(self, name: str, dtype: Any, shape: Shape) -> str:
        """An input of the graph."""
        self._inputs.append(self._info(name, dtype, shape))
        return name

    def output(self, name: str, x: str, shape: Shape, dtype: Any = np.float32) -> None:
        """Gives a tensor out under a name."""
        self._nodes.append(
            self._onnx.helper.make_node("Identity", [x], [name], f"output/{name}")
        )
        self._outputs.append(self._info(name, dtype, shape))

    def _info(self, name: str, dtype: Any, shape: Shape) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))

    def has_weight(self, name: str) -> bool:
        """Whether there is a weight of the name."""
        return name in self._weights

    def weight(self, name: str) -> str:
        """A weight by its name in presets."""
        return self.array(name, self._weights[name])

    def value(self, name: str) -> np.ndarray:
        """A weight as an array, for what is computed before the graph runs."""
        return self._weights[name]

    def array(self, name: str, array: np.ndarray) -> str:
        """An array under a name, kept once."""
        if name not in self._initializers:
            # contiguous: ONNX keeps the bytes
            array = np.ascontiguousarray(array).reshape(array.shape)
            tensor = self._onnx.numpy_helper.from_array(array, name)
            self._initializers[name] = tensor
        return name

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Adds an operation that gives one tensor.

        Args:
            kind: name of the operator.
            *inputs: tensors, numbers or arrays.
            **attributes: of the operator.
        """
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, count: int, *inputs: Any, **attributes: Any) -> list[str]:
        """Adds an operation that gives so many tensors."""
        self._count += 1
        name = "/".join([*self._scope, f"{kind}_{self._count}"])
        outputs = [name] if count == 1 else [f"{name}:{i}" for i in range(count)]
        given = [x if isinstance(x, str) else self._constant(x) for x in inputs]
        self._nodes.append(
            self._onnx.helper.make_node(kind, given, outputs, name, **attributes)
        )
        return outputs

    def _constant(self, value: Any) -> str:
        array = np.asarray(value)
        if array.dtype.kind in "iu":
            array = array.astype(np.int64)
        elif array.dtype.kind == "f":
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = self.array(name, array)
        return self._constants[key]

    def cast(self, x: str, dtype: Any) -> str:
        """A tensor as another type."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", x, to=kind)

    def size(self, x: str, axis: int) -> str:
        """The size of an axis, int64 scalar."""
        return self.op("Gather", self.op("Shape", x), axis, axis=0)

    def model(self, name: str) -> Any:
        """The whole as a `ModelProto`, with its version and that of its operators."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            name,
            self._inputs,
            self._outputs,
            list(self._initializers.values()),
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="massivetext_keras",
            producer_version=__version__,
        )

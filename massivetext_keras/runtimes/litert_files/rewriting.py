"""Graphs without what LiteRT's converter has no operation for: new axes by slices.

`x[:, None]` is a StridedSlice with a new axis, which the converter takes where sizes
are known alone. ExpandDims is the same, and it takes that always.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)


def with_expanded_axes(
    function: tf.types.experimental.PolymorphicFunction,
) -> tf.types.experimental.PolymorphicFunction:
    """A graph whose weights are constants, and whose new axes are ExpandDims.

    Args:
        function: a `tf.function` with an input signature and named outputs.

    >>> spec = tf.TensorSpec([None], tf.float32, "x")
    >>> double = tf.function(lambda x: {"y": 2.0 * x[:, None]}, input_signature=[spec])
    >>> same = with_expanded_axes(double)
    >>> same(tf.constant([1.0, 2.0]))["y"].numpy().tolist()
    [[2.0], [4.0]]
    >>> operations = same.get_concrete_function().graph.get_operations()
    >>> {x.type for x in operations} & {"StridedSlice", "ExpandDims"}
    {'ExpandDims'}
    """
    traced = function.get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    graph = _rewritten(frozen.graph.as_graph_def())
    specs = [x for x in traced.structured_input_signature[0]]
    inputs = [tensor.name for tensor in frozen.inputs]
    names = sorted(traced.structured_outputs)  # as nests are made flat
    outputs = [tensor.name for tensor in frozen.outputs]

    def answer(*given):
        found = tf.graph_util.import_graph_def(
            graph,
            input_map=dict(zip(inputs, given, strict=True)),
            return_elements=outputs,
            name="",
        )
        return dict(zip(names, found, strict=True))

    return tf.function(answer, autograph=False, input_signature=specs)


def _rewritten(graph: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    nodes = {node.name: node for node in graph.node}
    new = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        axes = _new_axes(node, nodes) if node.op == "StridedSlice" else None
        new.node.extend([node] if axes is None else _expanded(node, axes))
    return new


def _new_axes(node: node_def_pb2.NodeDef, nodes: dict) -> list[int] | None:
    """The axes that a slice adds; None of one that does anything else."""
    masks = {
        name: node.attr[f"{name}_mask"].i
        for name in ("begin", "end", "new_axis", "ellipsis", "shrink_axis")
    }
    if not masks["new_axis"] or masks["shrink_axis"]:
        return None
    begin = nodes.get(node.input[1].partition(":")[0])
    if begin is None or begin.op != "Const":
        return None
    count = int(np.prod(tf.make_ndarray(begin.attr["value"].tensor).shape))
    bits = {name: [mask >> i & 1 for i in range(count)] for name, mask in masks.items()}
    axes = []
    for i in range(count):
        if bits["new_axis"][i]:
            after = sum(bits["ellipsis"][:i])  # counted from the end behind "..."
            axes.append(i - count if after else i)
        elif not (bits["ellipsis"][i] or (bits["begin"][i] and bits["end"][i])):
            return None
    return axes


def _expanded(node: node_def_pb2.NodeDef, axes: list[int]) -> list:
    """The same as ExpandDims, one after another; the last has the node's name."""
    found, x = [], node.input[0]
    behind = [axis for axis in axes if axis < 0]
    # One at a time: of those counted from the end the last one first.
    for number, axis in enumerate([a for a in axes if a >= 0] + behind[::-1]):
        constant = node_def_pb2.NodeDef(name=f"{node.name}/axis_{number}", op="Const")
        constant.attr["dtype"].type = tf.int32.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(axis, tf.int32))
        last = number == len(axes) - 1
        name = node.name if last else f"{node.name}/expanded_{number}"
        step = node_def_pb2.NodeDef(name=name, op="ExpandDims")
        step.input.extend([x, constant.name])
        step.attr["T"].CopyFrom(node.attr["T"])
        step.attr["Tdim"].type = tf.int32.as_datatype_enum
        found += [constant, step]
        x = name
    return found

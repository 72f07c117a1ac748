"""Puts tensors onto a mesh of four logical CPUs and takes them back; prints JSON."""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.experimental import dtensor

from massivetext_keras.distribution.placement import Placement
from massivetext_keras.distribution.sharded import (
    ShardedVariable,
    on_mesh,
    put,
    shared_by_replicas,
    whole,
    zeros,
)
from massivetext_keras.training import make_mesh, set_logical_cpus

ROWS_AND_COLUMNS = [(None, None), ("data", "tensor"), ("tensor", "data")]
ROWS_AND_COLUMNS += [(None, "tensor"), ("data", None), ("tensor", None)]


def round_trips(mesh: dtensor.Mesh) -> int:
    """How many tensors were the same behind it."""
    count = 0

    @settings(max_examples=40, deadline=None, database=None)
    @given(
        axes=st.sampled_from(ROWS_AND_COLUMNS),
        rows=st.integers(1, 4),
        parts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        blocks=st.sampled_from([1, 2]),
    )
    def check(axes, rows, parts, blocks):
        nonlocal count
        sizes = tuple(2 * part for part in parts)
        placement = Placement(axes, sizes, blocks)
        value = np.random.default_rng(0).normal(size=[2 * rows, sum(sizes)])
        tensor = put(value, mesh, placement)
        np.testing.assert_array_equal(whole(tensor, mesh, placement), value)
        count += 1

    check()
    return count


def variable(mesh: dtensor.Mesh) -> dict:
    """What one variable of queries, keys and values says of itself."""
    value = np.arange(16, dtype="float32").reshape(2, 8)
    placement = Placement((None, "tensor"), (4, 2, 2), 2)
    made = ShardedVariable.of(value, mesh, placement, [2, 8], "float32", name="qkv")
    reads = tf.function(lambda: tf.while_loop(lambda x: x < 1.0, read, [0.0])[0])

    def read(x):
        return [x + tf.reduce_sum(made)]

    found = {
        "parts": [part[0].numpy().tolist() for part in dtensor.unpack(raw(made))],
        "whole": made.numpy()[0].tolist(),
        "bytes": made.local_bytes(),
        "sums": [float(reads())],
    }
    made.assign(value + 1.0)
    found["sums"].append(float(reads()))
    with on_mesh(mesh):
        tf.function(lambda: made.assign(2.0 * made), autograph=False)()
    found["sums"].append(float(reads()))
    found["eager"] = float(tf.reduce_sum(made))
    shared = made.copied(placement=shared_by_replicas(made, True))
    found["shared"] = [list(shared.placement.axes), shared.local_bytes()]
    found["kept"] = bool(np.all(shared.numpy() == made.numpy()))
    return found


def raw(made: ShardedVariable) -> tf.Tensor:
    """Its tensor of the mesh."""
    with on_mesh(made.mesh):
        return made.read_value()


def main() -> None:
    set_logical_cpus(4)
    (mesh,) = make_mesh(data=2, tensor=2).stages
    nothing = zeros([4, 2], "float32", mesh, Placement(("data", "tensor")))
    parts = [part.shape.as_list() for part in dtensor.unpack(nothing)]
    result = {"trips": round_trips(mesh), "zeros": parts}
    print(json.dumps(result | {"variable": variable(mesh)}))


if __name__ == "__main__":
    main()

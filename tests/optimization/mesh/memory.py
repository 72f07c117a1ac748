"""What devices of a mesh hold: counted from the shape, and measured.

    python -m tests.optimization.mesh.memory MESH…

prints the table of docs/parallel.md; a MESH is such as 2x1x1:optimizer, or of some
sizes alone, 1x2x1:none:sequence@shallow,deep. The peak is that of what TensorFlow's
allocator hands out and takes back, as its profiler tells. A process has one allocator
for all of its CPUs: stages take turns, and of the devices of a stage it is the mean.
"""

from __future__ import annotations

import collections
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.experimental import dtensor
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.distribution.memory import DeviceMemory, Work, device_memory
from massivetext_keras.optimization.keras_seams import held_by
from massivetext_keras.optimization.mesh.stage import Stage
from massivetext_keras.optimization.mesh.step import MeshStep, stages_of
from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw, make_mesh, set_logical_cpus
from tests.optimization.mesh.splits import parsed
from tests.processes import last_line_of


def shape(layers: int, size: int, words: int, length: int, **others):
    return TransformerConfig(
        vocabulary_size=words,
        num_layers=layers,
        hidden_size=size,
        num_heads=size // 64,
        intermediate_size=4 * size,
        max_length=length,
        **others,
    )


# Name -> shape, rows of each replica, micro-batches.
SIZES = {
    "shallow": (shape(2, 256, 512, 128), 8, 1),
    "deep": (shape(8, 256, 512, 128), 8, 1),
    "small": (shape(4, 128, 512, 128), 8, 2),
    "middle": (shape(4, 256, 4096, 256), 4, 1),
    "large": (shape(6, 384, 8192, 256, dropout=0.1), 8, 2),
}


def made(config, axes, **options) -> CausalLM:
    keras.utils.set_random_seed(0)
    with make_mesh(**axes).scope():
        task = CausalLM(config)
    task.compile(adamw(1e-3, weight_decay=0.1), **options)
    task.build_optimizer()
    return task


def kept(task: CausalLM) -> list[list[int]]:
    """Bytes of the parts of variables on each device of each stage."""
    variables = [held_by(v) for v in [*task.variables, *task.optimizer.variables]]
    found = []
    for stage in stages_of(task, task.mesh):
        there = collections.Counter()
        for variable in [*variables, *stage.copies]:
            if getattr(variable, "mesh", None) is stage.mesh:
                for part in dtensor.unpack(variable.on_devices()):
                    there[part.device] += part.numpy().nbytes
        found.append([there[device] for device in sorted(there)])
    return found


def events(folder: str) -> Iterator[tuple[int, str, dict]]:
    """Time, name and values of all that a profile tells of, in order."""
    [path] = Path(folder).rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                values = {
                    plane.stat_metadata[x.metadata_id].name: getattr(
                        x, x.WhichOneof("value")
                    )
                    for x in event.stats
                }
                name = plane.event_metadata[event.metadata_id].name
                time = line.timestamp_ns * 1000 + event.offset_ps
                found.append((time, name, values))
    return iter(sorted(found, key=lambda event: event[0]))


def peaks(folder: str, stages: int) -> list[int]:
    """Bytes that each stage was given and had not given back, at the most.

    What is handed out belongs to the stage whose turn it is.
    """
    owners, now, most, turn = {}, [0] * stages, [0] * stages, 0
    for _, name, values in events(folder):
        if name.startswith("stage "):
            turn = int(name.removeprefix("stage "))
        elif name == "MemoryAllocation":
            size = int(values["requested_bytes"])
            owners[values["addr"]] = turn, size
            now[turn] += size
            most[turn] = max(most[turn], now[turn])
        elif name == "MemoryDeallocation":
            size = int(values["requested_bytes"])  # perhaps of a step before
            whose, size = owners.pop(values["addr"], (turn, size))
            now[whose] -= size
    return most


def take_turns(steps: MeshStep) -> None:
    """Has each stage say that it begins, and end what it does before others begin."""

    def told(place: int, stage: Stage, method: Callable) -> Callable:
        def call(*arguments):
            with tf.profiler.experimental.Trace(f"stage {place}"):
                given = method(*arguments)
                done = [x for x in tf.nest.flatten(given) if x is not None]
                done = done or [held_by(v).on_devices() for v in stage.variables]
                for tensor in done:
                    for part in dtensor.unpack(tensor):
                        part.numpy()
            return given

        return call

    for place, stage in enumerate(steps.stages):
        for name in ("rows", "take", "forward", "gradients", "squares", "update"):
            setattr(stage, name, told(place, stage, getattr(stage, name)))


def batch(config: TransformerConfig, rows: int):
    shape = [rows, config.max_length + 1]
    ids = np.random.default_rng(0).integers(1, config.vocabulary_size, shape)
    ids = ids.astype("int32")
    return {"token_ids": tf.constant(ids[:, :-1])}, tf.constant(ids[:, 1:])


def peak(mesh: str, size: str) -> dict[str, list[int]]:
    """Of a device of each stage: what is kept, and the most in a step beside it."""
    config, rows, micro_batches = SIZES[size]
    axes, options = parsed(mesh)
    set_logical_cpus(math.prod(axes.values()))
    task = made(config, axes, micro_batches=micro_batches, **options)
    steps = MeshStep(task, task.mesh)
    data = batch(config, rows * axes["data"])
    take_turns(steps)
    for _ in range(2):  # first values are memory of NumPy
        steps.train(data)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            steps.train(data)
        most = peaks(folder, axes["pipeline"])
    devices = axes["data"] * axes["tensor"]
    return {
        "kept": [max(each) for each in kept(task)],
        "step": [bytes // devices for bytes in most],
    }


def counted(mesh: str, size: str) -> list[DeviceMemory]:
    """What the shape says, of each stage."""
    config, rows, micro_batches = SIZES[size]
    axes, options = parsed(mesh)
    work = Work(
        rows * axes["data"],
        config.max_length,
        micro_batches,
        shard_sequence=options["shard_sequence"],
    )
    return device_memory(config, axes, options["shard_state"], work)


def measured(mesh: str, size: str) -> dict[str, list[int]]:
    """`peak` in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPU_ALLOCATOR_USE_BFC", "true")  # which the profiler hears
        return last_line_of("-m", "tests.optimization.mesh.memory", "peak", mesh, size)


def main(*meshes: str) -> None:
    print("| mesh | size | kept | counted | total | counted | error |")
    for given in meshes:
        mesh, _, sizes = given.partition("@")
        for size in sizes.split(",") if sizes else SIZES:
            found, told = measured(mesh, size), counted(mesh, size)
            for stage, own in enumerate(told):
                total = found["kept"][stage] + found["step"][stage]
                sizes = (found["kept"][stage], own.kept, total, own.total)
                row = [f"{mesh} {stage}", size, *(f"{x / 1e6:.1f}" for x in sizes)]
                error = f"{own.total / total - 1:+.1%}"
                print(f"| {' | '.join([*row, error])} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "peak":
        print(json.dumps(peak(*sys.argv[2:])))
    else:
        main(*sys.argv[1:])

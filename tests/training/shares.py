"""One of the workers of TF_CONFIG: saves and restores its share of a task on a mesh of
all; writes how much memory that took.

    python -m tests.training.shares FOLDER RUN
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.optimization.keras_seams import held_by
from massivetext_keras.tasks import CausalLM
from massivetext_keras.training import adamw, make_mesh, set_logical_cpus
from massivetext_keras.training.callbacks.checkpoint import Checkpoint
from massivetext_keras.training.checkpoint_files import variables_of

CONFIG = TransformerConfig(
    vocabulary_size=1000,
    num_layers=8,
    hidden_size=512,
    num_heads=8,
    intermediate_size=2048,
    max_length=64,
)


def peak_over(function: Callable) -> int:
    """Bytes that this process needs more at its peak than before a function."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(field)]
    return int(line.split()[1]) * 1024


def parts(task: keras.Model) -> list[np.ndarray]:
    """What this process has of weights and moments."""
    held = [held_by(v) for v in variables_of(task).values()]
    sharded = [v for v in held if hasattr(v, "local_parts")]
    return [part.numpy() for v in sharded for part in v.local_parts()]


def digest(task: keras.Model) -> str:
    """Of `parts`."""
    hashed = hashlib.sha256()
    for part in parts(task):
        hashed.update(part.tobytes())
    return hashed.hexdigest()


def main(folder: Path, run: Path) -> None:
    set_logical_cpus(1)
    mesh = make_mesh(tensor=2)
    with mesh.scope():
        task = CausalLM(CONFIG)
        task.compile(adamw(1e-3))
    task.build_optimizer()
    checkpoint = Checkpoint(run)
    checkpoint.set_model(task)
    checkpoint.on_train_begin()
    before, here = digest(task), sum(part.nbytes for part in parts(task))
    whole = sum(
        int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize
        for v in variables_of(task).values()
    )
    saving = peak_over(checkpoint.finish)
    mesh.sum_over_workers(0)  # until the chief has made one of all shares
    for variable in task.trainable_variables:
        held_by(variable).fill(lambda box: 0)
    emptied = digest(task)
    restoring = peak_over(lambda: checkpoint.restore(task))
    result = {
        "whole": whole,
        "here": here,
        "saving": saving,
        "restoring": restoring,
        "changed": emptied != before,
        "restored": digest(task) == before,
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

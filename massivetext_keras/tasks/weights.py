"""The weights of a task by the names that presets have for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import keras

from massivetext_keras.architecture.storage import Storage, stored_shapes
from massivetext_keras.distribution.workers import is_chief
from massivetext_keras.layers import adapters
from massivetext_keras.saving.weights import (
    Tensors,
    array_of,
    assign,
    named_weights,
)

logger = logging.getLogger(__name__)

HEAD = "head/"
Named = dict[str, keras.Variable]


def leaves_writing(task: Any) -> bool:
    """Whether this is one of several workers on a mesh and not the first, which writes
    what all of them read together."""
    return task.mesh is not None and not is_chief(task.mesh)


def helped_chief(task: Any, named: Mapping[str, Any]) -> bool:
    """Whether this worker `leaves_writing`; then it has read its parts of the weights
    together with the one that writes."""
    if not leaves_writing(task):
        return False
    for weight in named.values():
        array_of(weight)
    return True


def of_backbone(task: Any) -> Named:
    """The backbone's weights, without adapters."""
    named = named_weights(task.backbone)
    return {k: v for k, v in named.items() if f"/{adapters.NAME}/" not in k}


def of_head(task: Any, prefix: str) -> Named:
    """The weights of a head, below its prefix."""
    named = named_weights(task.heads()[prefix])
    return {f"{prefix}/{name}": weight for name, weight in named.items()}


def of_heads(task: Any) -> Named:
    """The weights of all heads."""
    named: Named = {}
    for prefix in task.heads():
        named |= of_head(task, prefix)
    return named


def of_preset(task: Any) -> Named:
    """All that a preset holds: the backbone's, and the heads'."""
    return of_backbone(task) | of_heads(task)


def take(
    task: Any, tensors: Tensors, source: str, storages: Mapping[str, Storage]
) -> None:
    """Sets all weights of a task; see `Task.take_weights`."""
    fitting = []
    for prefix in task.heads():
        head = {name: weight.shape for name, weight in of_head(task, prefix).items()}
        shapes = stored_shapes(head, storages)
        if all(tensors.shapes.get(name) == shapes[name] for name in shapes):
            fitting.append(prefix)
        else:
            logger.warning(
                f"{source} has no {prefix!r} for this {type(task).__name__}: its "
                "weights are random, to be trained"
            )
    inside = [f"{prefix}/" for prefix in fitting]
    there = {
        path: storage
        for path, storage in storages.items()
        if not path.startswith(HEAD) or path.startswith(tuple(inside))
    }
    if there and there != task.quantization.storages():
        task.quantization.prepare(there)
    wanted = of_backbone(task)
    for prefix in fitting:
        wanted |= of_head(task, prefix)
    names = [name for name in tensors if name in wanted or not name.startswith(HEAD)]
    assign(wanted, tensors.only(names))
    task.backbone.has_learnt = True

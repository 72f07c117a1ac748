"""What Keras writes of a task beside its weights, for `.keras` files and copies."""

from __future__ import annotations

from typing import Any

import keras

from massivetext_keras.architecture.model import ModelConfig
from massivetext_keras.architecture.storage import header_of, read_header
from massivetext_keras.distribution.mesh import outside_meshes
from massivetext_keras.optimization.freezing import settle


def config_of(task) -> dict[str, Any]:
    """The config, options, tokenizer, storages, adapters, frozen weights and seed of a
    task, as values for JSON."""
    trained = {id(weight) for weight in task.trainable_weights}
    frozen = [i for i, w in enumerate(task.weights) if id(w) not in trained]
    tokenizer = task.tokenizer
    if tokenizer is not None:
        tokenizer = keras.saving.serialize_keras_object(tokenizer)
    return {
        "config": task.config.to_dict(),
        "tokenizer": tokenizer,
        **task.chosen(),
        "quantization": header_of(task.quantization.storages()),
        "adapters": task.adapters.settings() if task.adapters.layers() else None,
        "frozen": frozen,
        "seed": int(task.randomness.state.numpy()[0]),
    }


def task_from(cls: type, values: dict[str, Any]):
    """The task that `config_of`, and what Keras adds to it, describe."""
    values = keras.saving.deserialize_keras_object(values)
    config = ModelConfig.from_dict(values.pop("config"))
    storages, adapters, frozen, seed = (
        values.pop(k, None) for k in ("quantization", "adapters", "frozen", "seed")
    )
    task = cls(config, **values)
    if storages:
        task.quantization.prepare(read_header(storages))
    if adapters:
        task.adapters.add_to(**adapters)
    if frozen is not None:
        for i, weight in enumerate(task.weights):
            weight.trainable = i not in frozen
        settle(task)
    if seed is not None:
        task.randomness.state.assign([seed, 0])
    return task


def on_one_device(task):
    """A copy of a task, whose graphs hold variables as files have them, and not what a
    mesh hands them."""
    with outside_meshes():
        copy = type(task).from_config(task.get_config())
    for variable, other in zip(copy.variables, task.variables, strict=True):
        variable.assign(other.numpy())
    return copy

"""What this installation can do, and what it cannot and why."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Iterator
from importlib import metadata

REQUIRED = ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "tensorboard")
OPTIONAL = {
    "matplotlib": "the picture of the quickstart's loss",
    "tokenizers": "training of WordPiece and byte-level BPE vocabularies",
    "torch": "comparison with other implementations",
}


def report() -> Iterator[str]:
    """Lines about packages, devices, precision and strategies.

    >>> next(report()).split()[0]
    'python'
    """
    yield f"python {platform.python_version()} on {platform.platform()}"
    for name in REQUIRED:
        yield f"{name} {metadata.version(name)}"
    for name, purpose in OPTIONAL.items():
        found = importlib.util.find_spec(name) is not None
        state = metadata.version(name) if found else f"not installed: for {purpose}"
        yield f"{name} {state}"
    yield from _devices()
    yield from _strategies()


def _devices() -> Iterator[str]:
    import tensorflow as tf

    from massivetext_keras.training.precision import device_multiplies_bfloat16

    for device in tf.config.list_physical_devices():
        yield f"device {device.name}"
    if device_multiplies_bfloat16():
        yield "precision auto is mixed_bfloat16: the device multiplies bfloat16"
    else:
        yield "precision auto is float32: the device does not multiply bfloat16"


def _strategies() -> Iterator[str]:
    from massivetext_keras.training import describe, make_strategy

    for name in ("auto", "mirrored", "multi_worker", "tpu", "parameter_server"):
        try:
            yield f"strategy {name}: {describe(make_strategy(name))}"
        except ValueError as error:
            yield f"strategy {name}: would not work: {error}"

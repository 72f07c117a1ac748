"""SavedModels with text signatures: written aside, checked, then put in place."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from massivetext_keras.backend import require

require()

import keras
import numpy as np
import tensorflow as tf
import tensorflow_text

from massivetext_keras.files import replacing_folder, write_json

CONFIG = "config.json"


class Probe(NamedTuple):
    """A question to an export, and what the model itself answers.

    Attributes:
        signature: name of the signature.
        inputs: its arguments by name, as values of Python.
        outputs: what it shall give, by name: strings or floats.
    """

    signature: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """In it, what these log is dropped, unless it is an error.

    Args:
        names: of loggers, with all below them.
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def signature(function: Callable, *specs: tf.TensorSpec) -> Callable:
    """A graph with these inputs, which have names."""
    return tf.function(function, autograph=False, input_signature=specs)


def compare(signatures: Mapping[str, Callable], probes: Iterable[Probe]) -> None:
    """Asks an export what the model was asked.

    Raises:
        RuntimeError: an answer is another string, or differs by more than 1e-4.

    >>> double = tf.function(lambda x: {"y": 2.0 * x})
    >>> compare({"double": double}, [Probe("double", {"x": [1.0]}, {"y": [2.0]})])
    >>> compare({"double": double}, [Probe("double", {"x": [1.0]}, {"y": [1.0]})])
    Traceback (most recent call last):
    RuntimeError: the export's double(x=[1.0]) gives y=[2.0], the model [1.0]
    """
    for name, inputs, outputs in probes:
        given = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        for output, wanted in outputs.items():
            found, wanted = given[output].numpy(), np.array(wanted)
            if found.dtype == object:
                found = np.vectorize(bytes.decode, otypes=[object])(found)
                same = found.shape == wanted.shape and (found == wanted).all()
            else:
                same = found.shape == wanted.shape and np.allclose(
                    found, wanted, rtol=1e-4, atol=1e-4
                )
            if not same:
                asked = ", ".join(f"{k}={v!r}" for k, v in inputs.items())
                raise RuntimeError(
                    f"the export's {name}({asked}) gives {output}={found.tolist()}, "
                    f"the model {wanted.tolist()}"
                )


def write_saved_model(
    path: str | Path,
    module: tf.Module,
    signatures: Mapping[str, Callable],
    metadata: Mapping,
    check: Callable[[Mapping[str, Callable]], None],
    overwrite: bool = False,
) -> None:
    """Writes a SavedModel beside a `config.json` that says what it needs.

    Args:
        path: folder of the export.
        module: holds the variables and tokenizers that the signatures use.
        signatures: name -> `tf.function` with an input signature and named outputs.
        metadata: what else `config.json` shall hold.
        check: gets the signatures of the loaded export, raises if they are wrong.
        overwrite: replace what is in the folder.

    Raises:
        FileExistsError: the folder is not empty and `overwrite` is false.
    """
    with replacing_folder(path, overwrite) as folder:
        with quiet("tensorflow", "absl"):  # what they say is of the draft
            tf.saved_model.save(module, str(folder), signatures=dict(signatures))
        described = {}
        for name, function in signatures.items():
            traced = function.get_concrete_function()
            described[name] = {
                "inputs": [spec.name for spec in traced.structured_input_signature[0]],
                "outputs": sorted(traced.structured_outputs),
            }
        versions = {
            "tensorflow": tf.__version__,
            "tensorflow-text": tensorflow_text.__version__,
            "keras": keras.__version__,
        }
        config = {**metadata, "signatures": described, "made_with": versions}
        write_json(folder / CONFIG, config)
        loaded = tf.saved_model.load(str(folder))
        check(loaded.signatures)

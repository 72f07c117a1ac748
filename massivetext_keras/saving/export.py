"""SavedModels with text signatures: written aside, checked, then put in place."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_text

from massivetext_keras.saving.warm_up import write_requests
from massivetext_keras.support.files import replacing_folder, write_json

CONFIG = "config.json"
README = "README.md"
# Floats that differ by no more than this share of them (or, below 1, than this) are
# equal: processors, batches and ways to compile a graph round differently.
ROUNDING = 1e-4


class Probe(NamedTuple):
    """A question to an export, and what the model itself answers.

    Attributes:
        signature: name of the signature.
        inputs: its arguments by name, as values of Python.
        outputs: what it shall give, by name: strings or numbers, in nested lists. Where
            several are as good but for rounding, a frozenset of them.
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


@contextlib.contextmanager
def without_grappler() -> Iterator[None]:
    """In it, TensorFlow does not rewrite graphs, which takes longer than what a graph
    saves that is asked once."""
    options = tf.config.optimizer
    before = options.get_experimental_options().get("disable_meta_optimizer", False)
    options.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        options.set_experimental_options({"disable_meta_optimizer": before})


def signature(function: Callable, *specs: tf.TensorSpec) -> Callable:
    """A graph with these inputs, which have names."""
    return tf.function(function, autograph=False, input_signature=specs)


def compare(signatures: Mapping[str, Callable], probes: Iterable[Probe]) -> None:
    """Asks an export what the model was asked.

    Raises:
        RuntimeError: an answer is another string, or differs by more than `ROUNDING`.

    >>> double = tf.function(lambda x: {"y": 2.0 * x})
    >>> compare({"double": double}, [Probe("double", {"x": [1.0]}, {"y": [2.0]})])
    >>> compare({"double": double}, [Probe("double", {"x": [1.0]}, {"y": [1.0]})])
    Traceback (most recent call last):
    RuntimeError: the export's double(x=[1.0]) gives y=[2.0], the model [1.0]
    >>> either = [frozenset([1.0, 2.0])]
    >>> compare({"double": double}, [Probe("double", {"x": [1.0]}, {"y": either})])
    """
    for name, inputs, outputs in probes:
        given = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        for output, wanted in outputs.items():
            found, right = given[output].numpy(), np.array(wanted, object)
            if found.dtype == object:
                found = np.vectorize(bytes.decode, otypes=[object])(found)
            if not (found.shape == right.shape and np.all(_same(found, right))):
                asked = ", ".join(f"{k}={v!r}" for k, v in inputs.items())
                raise RuntimeError(
                    f"the export's {name}({asked}) gives {output}={found.tolist()}, "
                    f"the model {right.tolist()}"
                )


@functools.partial(np.vectorize, otypes=[bool])
def _same(found: Any, wanted: Any) -> bool:
    """Whether an answer is the one that is wanted, or among those that are as good."""
    if isinstance(wanted, frozenset):
        return any(_same(found, one) for one in wanted)
    if isinstance(wanted, str):
        return found == wanted
    return math.isclose(found, wanted, rel_tol=ROUNDING, abs_tol=ROUNDING)


def write_saved_model(
    path: str | Path,
    module: tf.Module,
    signatures: Mapping[str, tf.types.experimental.PolymorphicFunction],
    metadata: Mapping,
    check: Callable[[Mapping[str, Callable]], None],
    overwrite: bool = False,
    warm_up: Iterable[Probe] = (),
) -> None:
    """Writes a SavedModel beside a `config.json` that says what it needs, and a
    `README.md` that says how to ask it.

    Args:
        path: folder of the export.
        module: holds the variables and tokenizers that the signatures use.
        signatures: name -> `tf.function` with an input signature and named outputs.
        metadata: what else `config.json` shall hold.
        check: gets the signatures of the loaded export, raises if they are wrong.
        overwrite: replace what is in the folder.
        warm_up: what TensorFlow Serving shall ask it before others do.

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
        (folder / README).write_text(_readme(config), encoding="utf-8")
        requests = [(probe.signature, probe.inputs) for probe in warm_up]
        if requests:
            write_requests(folder, requests)
        loaded = tf.saved_model.load(str(folder))
        with without_grappler():
            check(loaded.signatures)


def _readme(config: Mapping[str, Any]) -> str:
    """How to ask an export of such a `config.json`."""
    signatures, versions = config["signatures"], config["made_with"]
    name = "serving_default" if "serving_default" in signatures else min(signatures)
    inputs, outputs = signatures[name]["inputs"], signatures[name]["outputs"]
    text = json.dumps(config.get("example", "a text"), ensure_ascii=False)
    given = ", ".join(f"{x}=tf.constant([{text}])" for x in inputs)
    shell = ";".join(f"{x}=[{text}]" for x in inputs)
    rows = "\n".join(
        f"| `{name}` | {', '.join(x['inputs'])} | {', '.join(x['outputs'])} |"
        for name, x in sorted(signatures.items())
    )
    return f"""# {config.get("task", "Export")}

A SavedModel of strings. Its tokenizer is made of the operations of tensorflow_text, so
whatever loads it has to import that first; nothing else is needed beside tensorflow
({versions["tensorflow"]}; tensorflow-text {versions["tensorflow-text"]}).

```python
import tensorflow as tf, tensorflow_text

served = tf.saved_model.load("{{folder}}")
served.signatures["{name}"]({given})["{outputs[-1]}"]
```

`saved_model_cli run` does not import it: "Op type not registered". This does:

```
python -c "import tensorflow_text
from tensorflow.python.tools.saved_model_cli import main; main()" \\
    run --dir={{folder}} --tag_set=serve --signature_def={name} --input_exprs='{shell}'
```

| signature | takes | gives |
|---|---|---|
{rows}

A signature that is `_compiled`, and `serving_default` where `config.json` says
`"xla": true`, writes in a loop that XLA compiles: the first call of each size takes
seconds, the others are several times as fast. TensorFlow Serving allows it if started
with `--xla_cpu_compilation_enabled=true`; otherwise export with `xla=False`. A number
that is out of its range is answered with an InvalidArgumentError that names it.
"""

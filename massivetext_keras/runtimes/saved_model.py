"""The form "savedmodel": TensorFlow's, strings in and strings out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras.runtimes import export_format
from massivetext_keras.saving.export import (
    compare,
    quiet,
    without_grappler,
    write_saved_model,
)
from massivetext_keras.support.files import check_free


@export_format("savedmodel")
def saved_model(
    task: Any,
    *,
    path: str | Path,
    overwrite: bool = False,
    xla: bool = True,
    streaming: bool = False,
) -> None:
    """Writes a SavedModel with the signatures of a task, compared with the task.

    Args:
        task: with a tokenizer.
        path: of the folder.
        overwrite: replace what is in it.
        xla: compile the main signature where the task writes texts.
        streaming: add signatures that write many texts token by token.

    Raises:
        ValueError: there is no tokenizer, or the task does not write so.
        RuntimeError: the export does not give what the task gives.
    """
    check_free(path, overwrite)  # before anything is computed
    module = tf.Module(name=task.name)  # what the signatures use, nothing else
    module.tokenizer = task.need_tokenizer()
    module.weights = [weight.value for weight in task.named_weights().values()]
    beside = task.adapters.over_stored().values()
    module.adapters = [x.value for layer in beside for x in layer.adapter.weights]
    module.beside = task.held_by_export()
    metadata = {
        "format": "massivetext_keras export",
        "task": type(task).__name__,
        "options": task.chosen(),
        "model": task.config.to_dict(),
        "tokenizer": module.tokenizer.fingerprint,
        "xla": xla,
        "example": task.example_text,
    }
    graphs, stream = task.signatures(xla), None
    if streaming:
        stream = task.streaming(xla)
        module.stream, graphs = stream.variables, graphs | stream.signatures()
    # Warnings are of our own questions.
    with quiet("massivetext_keras"), without_grappler():
        probes = task.probes()

    def check(signatures):
        compare(signatures, probes)
        if stream is not None:
            stream.check(signatures, task)

    write_saved_model(
        path,
        module,
        graphs,
        metadata,
        check,
        overwrite,
        # Serving refuses XLA unless it is told, and the model with it.
        [probe for probe in probes if not probe.signature.endswith("_compiled")],
    )

"""The form "litert": a file that LiteRT runs on telephones, for tasks on encoders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from massivetext_keras import __version__
from massivetext_keras.runtimes import export_format
from massivetext_keras.runtimes.litert_files import check as running
from massivetext_keras.runtimes.litert_files.graphs import LiteGraph, graph_of
from massivetext_keras.runtimes.litert_files.rewriting import with_expanded_axes
from massivetext_keras.runtimes.onnx import tokenizer_files
from massivetext_keras.runtimes.portable import Portable, cannot_hold, portable
from massivetext_keras.saving.export import quiet
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import check_free, replacing_folder, write_json
from massivetext_keras.support.values import choose

MODEL, CONFIG, README = "model.tflite", "config.json", "README.md"
_WEIGHTS = ("float32", "int8")


@export_format("litert")
def litert(
    task: Any,
    *,
    path: str | Path,
    overwrite: bool = False,
    weight_type: str = "float32",
) -> None:
    """Writes a folder with a file of LiteRT, compared with the task.

    It takes texts where the tokenizer is WordPiece and the answer one of a whole text:
    classes, or a vector. Else it takes ids, and the tokenizer's files are beside.

    Args:
        task: on an encoder.
        path: of the folder.
        overwrite: replace what is in it.
        weight_type: "float32", or "int8": matrices of products, whose rows are made
            int8 when it runs; the numbers are others then.

    Raises:
        ValueError: LiteRT has no such operations.
        RuntimeError: the file does not give what the task gives.
    """
    check_free(path, overwrite)
    choose("weight_type", weight_type, dict.fromkeys(_WEIGHTS))
    need("ai_edge_litert", running.EXTRA)
    if task.config.stack != "encoder":
        raise cannot_hold(
            "litert",
            task,
            f"stack={task.config.stack!r}, not 'encoder'",
            'format="onnx" holds language models, format="savedmodel" all',
        )
    described = portable(task, "litert")
    if described.head.settings.get("crf"):
        raise cannot_hold("litert", task, "crf=True, a chain of tags")
    graph, files = graph_of(task, described), tokenizer_files(described)
    with replacing_folder(path, overwrite) as folder:
        data = converted(described, graph, weight_type)
        (folder / MODEL).write_bytes(data)
        asked = task, described, folder / MODEL, graph.inputs, graph.strings
        away = running.difference(*asked)
        if weight_type == "float32":
            running.check(away, described)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        config = _config(described, graph, weight_type, away)
        write_json(folder / CONFIG, config)
        (folder / README).write_text(_readme(described, graph), encoding="utf-8")


def converted(task: Portable, graph: LiteGraph, weight_type: str) -> bytes:
    """A graph as a file of LiteRT.

    Raises:
        ValueError: LiteRT has no operation for a part of it.
    """
    with quiet("tensorflow", "absl"), tempfile.TemporaryDirectory() as folder:
        signatures = {"serving_default": with_expanded_axes(graph.function)}
        plain = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(tf.Module(), folder, signatures, plain)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = graph.strings  # those of TF-Text
        if weight_type == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            return converter.convert()
        except Exception as error:  # the converter has no class of its own
            raise cannot_hold("litert", task.task, _reason(error)) from error


def _reason(error: Exception) -> str:
    """The line of what the converter says that names an operation."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(("TF Select ops", "Custom ops"))]
    return (named or lines or [type(error).__name__])[0][:200]


def _config(task: Portable, graph: LiteGraph, weight_type: str, away: float) -> dict:
    return {
        "format": "massivetext_keras litert export",
        "task": task.task,
        "options": dict(task.options),
        "model": task.config.to_dict(),
        "head": {"kind": task.head.kind, **task.head.settings},
        "reading": task.reading(),
        "inputs": list(graph.inputs),
        "outputs": sorted(graph.function.get_concrete_function().structured_outputs),
        "weight_type": weight_type,
        "largest_difference": away,
        "made_with": {"massivetext_keras": __version__, "tensorflow": tf.__version__},
    }


def _readme(task: Portable, graph: LiteGraph) -> str:
    """How to run the file."""
    if graph.strings:
        code = f'''import tensorflow_text as text
from ai_edge_litert.interpreter import InterpreterWithCustomOps

run = InterpreterWithCustomOps(
    custom_op_registerers=text.tflite_registrar.SELECT_TFTEXT_OPS,
    model_path="{MODEL}",
).get_signature_runner()
run(text=np.array([b"{task.example}"]))'''
        about = (
            "It takes texts: string [batch]. Its tokenizer is made of operations of "
            "TF-Text, which an app links (tensorflow_text's `tflite_registrar`)."
        )
    else:
        names = ", ".join(f"{name}=…" for name in graph.inputs)
        code = f"""from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{MODEL}").get_signature_runner()
run({names})"""
        about = (
            f"It takes {', '.join(graph.inputs)}: int32 [batch, length]. The "
            "tokenizer's files are beside it, and `config.json` says in `reading` what "
            "stands around a text."
        )
    return f"""# {task.task}

{about}

```python
import numpy as np
{code}
```
"""

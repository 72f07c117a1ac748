"""The form "gguf": files of llama.cpp, in and out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.runtimes import export_format
from massivetext_keras.runtimes.gguf_files import architectures, tokenizers
from massivetext_keras.runtimes.gguf_files.file import (
    WEIGHT_TYPES,
    File,
    write_file,
)
from massivetext_keras.runtimes.portable import Portable, cannot_hold, portable
from massivetext_keras.saving.weights import Tensors, check_shapes
from massivetext_keras.support.extras import need
from massivetext_keras.support.files import expanded, replacing_file
from massivetext_keras.support.values import choose
from massivetext_keras.tokenizers import Tokenizer

SUFFIX = ".gguf"
_TOKENIZER = "tokenizer.ggml"
_INSTEAD = 'format="onnx" holds it'
# By how much a number that is read back may differ, as a share of the largest one.
_ROUNDING = {"float32": 0.0, "float16": 1e-3, "q8_0": 5e-3, "q4_0": 0.14}


class Read(NamedTuple):
    """What a file of GGUF holds.

    Attributes:
        config: the shape of the model.
        tensors: its weights by our names, each read when asked for.
        tokenizer: strings to ids, or None.
        problem: why there is no tokenizer, "" if there is one.
    """

    config: TransformerConfig
    tensors: Tensors
    tokenizer: Tokenizer | None
    problem: str


@export_format("gguf")
def gguf(
    task: Any,
    *,
    path: str | Path,
    overwrite: bool = False,
    weight_type: str = "float16",
) -> None:
    """Writes a file that llama.cpp runs, and reads it back.

    Args:
        task: a language model that is shaped as Llama, Qwen2 or GPT-2.
        path: of the file, whose name ends in .gguf.
        overwrite: replace it.
        weight_type: of matrices: "float32", "float16", "q8_0" (8 bits and a scale for
            32 numbers) or "q4_0" (4 bits).

    Raises:
        ValueError: the name is no file's, or llama.cpp has no such model or tokenizer.
        FileExistsError: the file is there and `overwrite` is false.
        RuntimeError: what is read back is not what was written.
    """
    need("gguf", "gguf")
    choose("weight_type", weight_type, WEIGHT_TYPES)
    path = expanded(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: the name of a file of GGUF ends in {SUFFIX}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there: choose another name, or overwrite it")
    described = portable(task, "gguf")
    name, values = _header(described)
    with replacing_file(path) as draft:
        write_file(draft, name, values, _tensors(described, name), weight_type)
        _check(draft, described, weight_type)


def _header(task: Portable) -> tuple[str, dict[str, Any]]:
    """The architecture of a file, and its values."""
    config = task.config
    if task.head.kind != "language_model" or config.stack != "decoder":
        raise cannot_hold(
            "gguf", task.task, f"stack={config.stack!r}, not 'decoder'", _INSTEAD
        )
    try:
        name = architectures.architecture_of(config)
        words = tokenizers.values_of(task.tokenizer, config.vocabulary_size)
    except ValueError as error:
        raise cannot_hold("gguf", task.task, str(error), _INSTEAD) from None
    values = {"general.name": task.task}
    own = architectures.values_of(config, name)
    values |= {f"{name}.{key}": value for key, value in own.items()}
    values |= {f"{_TOKENIZER}.{key}": value for key, value in words.items()}
    return name, values


def _tensors(task: Portable, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a file by name, each when it is its turn."""
    for ours, rule in architectures.table_of(task.config, name).items():
        for part, array in rule.split(task.weights[ours]).items():
            yield part, architectures.as_stored(name, part, array, task.config)
    if (factors := architectures.factors_of(task.config)) is not None:
        yield architectures.FACTORS, factors


def _check(file: Path, task: Portable, weight_type: str) -> None:
    """Refuses a file from which another model is read.

    Raises:
        RuntimeError: names what is other.
    """
    found = read_gguf(file)
    for name, wanted in task.weights.items():
        most = _ROUNDING[weight_type] * np.max(np.abs(wanted), initial=0.0)
        away = np.max(np.abs(found.tensors[name] - wanted), initial=0.0)
        if not away <= most + 1e-12:
            raise RuntimeError(f"{name} is read back with a difference of {away:.2g}")


def read_gguf(path: str | Path) -> Read:
    """A model and its tokenizer from a file of llama.cpp.

    Args:
        path: of a file of the architecture llama, qwen2 or gpt2.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no such file, or its values would give other numbers.
    """
    file = File(path)
    kind, known = file.values.get("general.architecture"), architectures.ARCHITECTURES
    if kind not in known:
        raise ValueError(
            f"{path}: general.architecture={kind!r} is not read; known: "
            + ", ".join(known)
        )
    shapes = file.tensors.shapes
    factors = file.tensors.get(architectures.FACTORS)
    try:
        config = architectures.config_of(file.section(kind), kind, shapes, factors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    table = architectures.table_of(config, kind)
    wanted = {}
    for rule in table.values():
        for part, shape in rule.parts.items():
            array = np.broadcast_to(np.float32(0.0), shape)
            wanted[part] = architectures.as_stored(kind, part, array, config).shape
    there = {k: x for k, x in shapes.items() if k != architectures.FACTORS}
    check_shapes(wanted, there, f"{path}: the tensors do not fit the header")

    def read(ours: str) -> np.ndarray:
        parts = {
            part: architectures.as_read(kind, part, file.tensors[part], config)
            for part in table[ours].parts
        }
        return table[ours].join(parts)

    tokenizer, problem = None, ""
    try:
        tokenizer = tokenizers.tokenizer_of(file.section(_TOKENIZER))
    except ValueError as error:
        problem = f"{path}: the model works on ids only: {error}"
    if tokenizer is None and not problem:
        problem = f"{path} has no tokenizer"
    own = Tensors({ours: rule.shape for ours, rule in table.items()}, read)
    return Read(config, own, tokenizer, problem)

"""Models out of Hugging Face folders: `config.json` and safetensors."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from massivetext_keras.configs import TransformerConfig
from massivetext_keras.interop import gpt2, llama
from massivetext_keras.interop.family import Family, Rule, Table, known, require
from massivetext_keras.interop.weights import Tensors, check_shapes, read_tensors

CONFIG = "config.json"
FAMILIES: dict[str, Family] = {"gpt2": gpt2.FAMILY, "llama": llama.FAMILY}

# The same name in all families, and never with a prefix.
_OUTPUT = "lm_head.weight"


def read_config(folder: str | os.PathLike) -> TransformerConfig:
    """The shape of the model in a Hugging Face folder.

    Reads `model_type` gpt2 and llama, as transformers 4 and 5 write them; what
    `config.json` leaves out has the value that transformers gives it. GPT-2's two rates
    of dropout outside attention become one, that of the residual stream.

    Args:
        folder: a local folder with `config.json`.

    Raises:
        FileNotFoundError: there is no such folder, or no `config.json` in it.
        ValueError: the file is damaged or asks for what would give other numbers.
    """
    return _read(folder)[1]


def load(folder: str | os.PathLike) -> tuple[TransformerConfig, Tensors]:
    """The model in a Hugging Face folder: its shape, and weights by our names.

    Args:
        folder: a local folder with `config.json` and `model.safetensors`, or shards.

    Returns:
        The config, and the weights for `weights.assign`, each read when asked for.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        ValueError: a file is damaged, the config asks for what would give other
            numbers, or tensors are missing, left over or of another shape.
    """
    family, config = _read(folder)
    tensors = read_tensors(folder)
    has_prefix = any(name.startswith(family.prefix) for name in tensors)
    prefix = family.prefix if has_prefix else ""
    table = names(family, config, prefix)
    found = {
        name: shape
        for name, shape in tensors.shapes.items()
        if not re.fullmatch(family.buffers, name)
    }
    wanted = {name: s for rule in table.values() for name, s in rule.parts.items()}
    embedding = prefix + family.embedding
    tied_copy = config.tied_embeddings and _OUTPUT in found
    if tied_copy:
        wanted[_OUTPUT] = wanted[embedding]
    check_shapes(wanted, found, f"{folder}: the tensors do not fit {CONFIG}")
    if tied_copy and not np.array_equal(tensors[_OUTPUT], tensors[embedding]):
        raise ValueError(
            f"{folder}: {_OUTPUT} differs from {embedding}, though {CONFIG} ties them; "
            'set "tie_word_embeddings": false to keep both'
        )
    shapes = {ours: rule.shape for ours, rule in table.items()}
    return config, Tensors(shapes, lambda ours: table[ours].join(tensors))


def names(family: Family, config: TransformerConfig, prefix: str) -> Table:
    """The table of names of a model with its output layer."""
    table = family.table(config, prefix)
    if not config.tied_embeddings:
        shape = (config.vocabulary_size, config.hidden_size)
        table["output/embeddings"] = Rule({_OUTPUT: shape})
    return table


def _read(folder: str | os.PathLike) -> tuple[Family, TransformerConfig]:
    file = _config_file(Path(folder))
    values = _read_json(file)
    try:
        family = known("model_type", values.get("model_type"), FAMILIES)
        require(values, {"quantization_config": None})
        return family, family.read(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file}: not a JSON object")
    return values


def _config_file(folder: Path) -> Path:
    """`config.json` in a folder, or an error that names the nearest one."""
    if folder.is_file():
        raise FileNotFoundError(
            f"{folder}: a file; give its folder, {str(folder.parent)!r}"
        )
    if not folder.is_dir():
        beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
        near = [path.name for path in beside if path.is_dir()]
        close = difflib.get_close_matches(folder.name, near, n=1)
        hint = f"did you mean {str(folder.parent / close[0])!r}?" if close else ""
        hint = hint or "models are read from local folders, not from the Hub"
        raise FileNotFoundError(f"{folder}: no such folder; {hint}")
    file = folder / CONFIG
    if not file.is_file():
        inside = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
        hint = f"; did you mean {str(min(inside).parent)!r}?" if inside else ""
        raise FileNotFoundError(f"{folder}: {CONFIG} is missing{hint}")
    return file

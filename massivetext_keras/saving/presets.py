"""Preset folders: `config.json`, `model.safetensors` and the tokenizer's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from massivetext_keras.architecture.storage import Storage, header_of
from massivetext_keras.saving.weights import Tensors, read_tensors, save_weights
from massivetext_keras.support.files import file_hash, write_json
from massivetext_keras.support.values import Config

FORMAT = "massivetext_keras"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"


def write_preset(
    folder: str | Path,
    task: str,
    config: Config,
    weights: Mapping[str, keras.Variable],
    tokenizer=None,
    options: Mapping[str, Any] | None = None,
    storages: Mapping[str, Storage] | None = None,
) -> None:
    """Writes a preset folder, the config last and with the hash of the weights.

    Args:
        folder: made if missing; its other files stay.
        task: name of the task's class.
        config: shape of the model.
        weights: by name.
        tokenizer: with `save(folder)`, or None.
        options: further arguments of the task, as JSON values.
        storages: of matrices that are stored in fewer bits, by path.
    """
    folder = Path(folder)
    save_weights(weights, folder / WEIGHTS)
    if tokenizer is not None:
        tokenizer.save(folder)
    header = {
        "format": FORMAT,
        "task": task,
        "options": dict(options or {}),
        "model": config.to_dict(),
        **({"quantization": header_of(storages)} if storages else {}),
        "tokenizer": None if tokenizer is None else tokenizer.fingerprint,
        "sha256": file_hash(folder / WEIGHTS),
    }
    write_json(folder / CONFIG, header)


def read_header(folder: str | Path) -> dict:
    """What the `config.json` of a preset says.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is not what it should be.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {folder} is no complete preset")
    try:
        header = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}): half written?") from None
    if header.get("format") != FORMAT:
        library, prefix = "folder of Hugging Face", "hf"
        if "registered_name" in header:
            library, prefix = "preset of KerasHub", "kerashub"
        hint = f"; a {library} is read as '{prefix}:{folder}'"
        raise ValueError(f"{path} is not a preset of {FORMAT}{hint}")
    return header


def read_preset(folder: str | Path) -> tuple[dict, Tensors]:
    """Reads what `write_preset` wrote.

    Returns:
        The header, and the tensors by our names.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    header = read_header(folder)
    weights = Path(folder) / WEIGHTS
    if not weights.exists():
        raise FileNotFoundError(f"{weights} is missing: {folder} is half written")
    if file_hash(weights) != header["sha256"]:
        raise ValueError(
            f"{weights} is not what {CONFIG} describes: half written or changed"
        )
    return header, read_tensors(weights)

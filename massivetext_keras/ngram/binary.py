"""Backoff models as safetensors files, which are mapped and not read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from massivetext_keras.ngram.tables import BackoffModel, Table
from massivetext_keras.support.files import expanded, replacing_file

FORMAT = "massivetext_keras n-grams 1"
_TYPES = {"I64": "<i8", "F32": "<f4", "U8": "u1"}


def write_binary(
    path: str | Path,
    model: BackoffModel,
    words: Sequence[str],
    about: Mapping[str, str] | None = None,
) -> None:
    """Writes a model, about 16 bytes for an n-gram.

    Args:
        path: of the file.
        model: that is written.
        words: of each id, without white space.
        about: what else the file shall say.

    >>> words = Table(np.arange(4), np.log10([0.1, 1, 0.4, 0.5]), np.zeros(4))
    >>> path = getfixture("tmp_path") / "model.bin"
    >>> write_binary(path, BackoffModel([words]), ["<unk>", "<s>", "</s>", "ä"])
    >>> model, words, about = read_binary(path)
    >>> model.order, words[3], about
    (1, 'ä', {})
    """
    arrays = {"words": np.frombuffer("\n".join(words).encode(), np.uint8)}
    for length, table in enumerate(model.tables, start=1):
        arrays[f"keys_{length}"] = np.ascontiguousarray(table.keys, np.int64)
        for name in ("log_prob", "backoff"):
            values = getattr(table, name)
            arrays[f"{name}_{length}"] = np.ascontiguousarray(values, np.float32)
    with replacing_file(path) as draft:
        save_file(arrays, draft, {"format": FORMAT, **(about or {})})


def read_binary(path: str | Path) -> tuple[BackoffModel, list[str], dict[str, str]]:
    """Maps a model into memory: what is not asked for is not read.

    Returns:
        The model, its words, and what else the file says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut, or something else.
    """
    path = expanded(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length) if length < size else b"")
            about = dict(header.pop("__metadata__"))
            form = about.pop("format")
        except (ValueError, KeyError, AttributeError, TypeError):
            form = None
    if form != FORMAT:
        raise ValueError(f"{path}: neither an ARPA file nor n-grams in our format")
    end = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    if size != end:
        raise ValueError(f"{path}: {size:,} bytes where {end:,} should be: it is cut")
    arrays = {name: _mapped(path, entry, 8 + length) for name, entry in header.items()}
    tables = [
        Table(*(arrays[f"{name}_{number}"] for name in Table._fields))
        for number in range(1, len(arrays) // 3 + 1)
    ]
    return BackoffModel(tables), bytes(arrays["words"]).decode().split("\n"), about


def _mapped(path: Path, entry: Mapping, start: int) -> np.ndarray:
    """One array of a file; nothing cannot be mapped."""
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    if 0 in shape:
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "r", start + entry["data_offsets"][0], shape)

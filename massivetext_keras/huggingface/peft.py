"""LoRA adapters as PEFT stores them, for our products."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.families.family import Family, number, require
from massivetext_keras.huggingface.families.table import FAMILIES
from massivetext_keras.huggingface.folder import ADAPTER
from massivetext_keras.huggingface.rules import Rule
from massivetext_keras.saving.weights import read_tensors
from massivetext_keras.support.files import read_json

WEIGHTS = "adapter_model.safetensors"
_OUTSIDE = "base_model.model."
_KEY = re.compile(r"(.*)\.lora_([AB])(?:\.default)?\.weight")
# What would be another product, or weights that are none.
_ONLY: dict[str, Any] = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "use_bdlora": None,
    "lora_bias": False,
    "modules_to_save": [],
    "target_parameters": [],
    "trainable_token_indices": None,
    "layer_replication": None,
    "megatron_config": None,
    "use_qalora": False,
    "kasa_config": None,
    "monteclora_config": None,
    "velora_config": None,
    "alora_invocation_tokens": None,
    "arrow_config": None,
}


class Lora(NamedTuple):
    """Adapters of one rank.

    Attributes:
        products: path of a product -> A [rows, rank] and B [rank, columns], float32.
        rank: the same of all; smaller ones are filled up with zeros.
        alpha: `alpha / rank` scales all of them.
        dropout: in training.
    """

    products: dict[str, tuple[np.ndarray, np.ndarray]]
    rank: int
    alpha: float
    dropout: float


def is_peft(folder: str | os.PathLike) -> bool:
    """Whether a folder holds an adapter of PEFT."""
    return (Path(folder) / ADAPTER).is_file()


def read_lora(folder: str | os.PathLike, config: TransformerConfig) -> Lora:
    """The adapters in a folder of PEFT (Hu et al., 2022; rsLoRA: Kalajdzievski, 2023).

    Theirs stand beside queries, keys and values each; ours beside a kernel that makes
    all three. So the columns of A are those of the three side by side, and B has a
    block for each: the products are the same.

    Args:
        folder: with `adapter_config.json` and `adapter_model.safetensors`.
        config: shape of the model that they are for.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: they are not LoRA's, do more than it, or are of another model; the
            message names the field or the weight.
    """
    folder = Path(folder)
    values = read_json(folder / ADAPTER)
    try:
        require({k: v for k, v in values.items() if v not in ({}, [])}, _ONLY)
    except ValueError as error:
        raise ValueError(f"{folder / ADAPTER}: {error}") from None
    if not (folder / WEIGHTS).is_file() and (folder / "adapter_model.bin").is_file():
        raise ValueError(
            f"{folder}: adapter_model.bin is a pickle, which can run code; save the "
            "adapter with safe_serialization=True"
        )
    tensors = read_tensors(folder / WEIGHTS)
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name in tensors:
        if not (found := _KEY.fullmatch(name.removeprefix(_OUTSIDE))):
            raise ValueError(f"{folder / WEIGHTS}: {name} is no weight of LoRA")
        module, part = found.groups()
        pairs.setdefault(module, {})[part] = np.asarray(tensors[name], np.float32)
    places = _places(config, pairs, folder)
    scaled = {
        module: (pair["A"].T, pair["B"].T * _scale(values, module, len(pair["A"])))
        for module, pair in pairs.items()
    }
    products: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for module, (path, rule, first) in places.items():
        a, b = scaled[module]
        if rule.axes:  # the columns of one head lie side by side
            view = (len(b), *rule.view[1:])
            b = b.reshape(view).transpose(rule.axes).reshape(len(b), -1)
        wide = np.zeros([len(b), rule.shape[-1]], np.float32)
        wide[:, first : first + b.shape[1]] = b
        if path in products:
            before = products[path]
            a, wide = np.hstack([before[0], a]), np.vstack([before[1], wide])
        products[path] = (a, wide)
    rank = max(len(b) for _, b in products.values())
    filled = {
        path: (_filled(a, (len(a), rank)), _filled(b, (rank, b.shape[1])))
        for path, (a, b) in products.items()
    }
    # the scale is a part of B
    return Lora(filled, rank, float(rank), float(values.get("lora_dropout") or 0.0))


def _places(
    config: TransformerConfig, pairs: Mapping[str, Any], folder: Path
) -> dict[str, tuple[str, Rule, int]]:
    """Their modules -> our product, how it comes from theirs, and the first column."""
    fewest: list[str] = list(pairs)
    for family in FAMILIES.values():
        if family.differences(config):
            continue
        known = _modules(family, config)
        unknown = [module for module in pairs if module not in known]
        if not unknown:
            places = {module: known[module] for module in pairs}
            _check_shapes(places, pairs, folder)
            return places
        fewest = min(fewest, unknown, key=len)
    raise ValueError(
        f"{folder / WEIGHTS}: the model has no product {fewest[0]!r} for an adapter"
        + (f", and no {len(fewest) - 1} more" if len(fewest) > 1 else "")
    )


def _modules(
    family: Family, config: TransformerConfig
) -> dict[str, tuple[str, Rule, int]]:
    found = {}
    for prefix in {"", family.prefix}:
        for path, rule in family.table(config, prefix).items():
            if not path.endswith("/kernel") or len(rule.shape) != 2:
                continue
            first = 0
            for name, shape in rule.parts.items():
                columns = shape[0] if rule.transposed else shape[1]
                module = name.removesuffix(".weight")
                found[module] = (path.removesuffix("/kernel"), rule, first)
                first += columns
    return found


def _check_shapes(places, pairs, folder: Path) -> None:
    for module, (_, rule, _) in places.items():
        shape = rule.parts[f"{module}.weight"]
        rows, columns = shape[::-1] if rule.transposed else shape
        a, b = (pairs[module].get(part) for part in "AB")
        if a is None or b is None:
            raise ValueError(f"{folder / WEIGHTS}: {module} lacks lora_A or lora_B")
        if a.shape[1] != rows or b.shape != (columns, len(a)):
            raise ValueError(
                f"{folder / WEIGHTS}: {module} is for {a.shape[1]} x {len(b)}, the "
                f"model has {rows} x {columns}: adapters of another base"
            )


def _scale(values: Mapping[str, Any], module: str, rank: int) -> float:
    alpha = number(values, "lora_alpha", 8)
    for pattern, other in (values.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            alpha = other
    return alpha / (rank**0.5 if values.get("use_rslora") else rank)


def _filled(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)])

"""How texts become vectors, as sentence-transformers stores it beside an encoder."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.architecture.config import TransformerConfig
from massivetext_keras.huggingface.families.family import unsupported, value_of
from massivetext_keras.huggingface.folder import CONFIG
from massivetext_keras.support.files import read_json

logger = logging.getLogger(__name__)

MODULES = "modules.json"
_LENGTH = "sentence_bert_config.json"
_PROMPTS = "config_sentence_transformers.json"
# Their flag and name of a pooling -> ours, in the order in which several lie.
_POOLINGS = {
    "pooling_mode_cls_token": ("cls", "cls"),
    "pooling_mode_max_tokens": ("max", "max"),
    "pooling_mode_mean_tokens": ("mean", "mean"),
    "pooling_mode_mean_sqrt_len_tokens": ("mean_sqrt_len_tokens", "mean_sqrt_length"),
    "pooling_mode_weightedmean_tokens": ("weightedmean", "weighted_mean"),
    "pooling_mode_lasttoken": ("lasttoken", "last"),
}
_KIND = "sentence_transformers.models"


def read_embedding_options(folder: str | os.PathLike) -> dict[str, Any]:
    """The options of a `TextEmbedder`, {} where `modules.json` is missing: pooling,
    unit_length, sequence_length, lowercase, prompts and prompt.

    Args:
        folder: a local folder.

    Raises:
        ValueError: a file is damaged, or asks for what would give other vectors.
    """
    folder = Path(folder)
    if not (file := folder / MODULES).is_file():
        return {}
    try:
        modules = json.loads(file.read_bytes())
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        paths = [folder / module["path"] for module in modules]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{file}: not a list of modules with type and path") from None
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        raise ValueError(
            f"{file}: the modules {' + '.join(kinds)} are not supported; known: "
            "Transformer + Pooling, with or without Normalize"
        )
    own = {**_pooling(paths[1] / CONFIG), "unit_length": len(kinds) > 2}
    own |= _reading(paths[0])
    own |= _prompts(folder / _PROMPTS)
    return own


def embedding_files(
    options: Mapping[str, Any], config: TransformerConfig
) -> dict[str, bytes]:
    """The inverse of `read_embedding_options`: files beside those of the encoder."""
    poolings = options["pooling"]
    poolings = [poolings] if isinstance(poolings, str) else poolings
    names = {ours: flag for flag, (_, ours) in _POOLINGS.items()}
    flags = {flag: flag in {names[ours] for ours in poolings} for flag in _POOLINGS}
    if [ours for flag, (_, ours) in _POOLINGS.items() if flags[flag]] != [*poolings]:
        raise ValueError(
            f"pooling={poolings!r}: sentence-transformers puts the vectors of several "
            f"in the order {', '.join(names)}"
        )
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if options["unit_length"]:
        modules.append(("2_Normalize", "Normalize"))
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{_KIND}.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    length = options["sequence_length"] or config.max_length
    files = {
        MODULES: listed,
        f"1_Pooling/{CONFIG}": {
            "word_embedding_dimension": config.hidden_size,
            **flags,
        },
        _LENGTH: {"max_seq_length": length, "do_lower_case": options["lowercase"]},
        _PROMPTS: {
            "prompts": options["prompts"],
            "default_prompt_name": options["prompt"],
            "similarity_fn_name": "cosine",
        },
    }
    return {name: json.dumps(files[name], indent=2).encode() + b"\n" for name in files}


def _pooling(file: Path) -> dict[str, Any]:
    values = read_json(file)
    named = values.get("pooling_mode")
    flags = [flag for flag in _POOLINGS if values.get(flag)]
    if isinstance(named, str):
        named = [named]
    theirs = named or [_POOLINGS[flag][0] for flag in flags] or ["mean"]
    ours = dict(_POOLINGS.values())
    for name in theirs:
        if name not in ours:
            raise ValueError(f"{file}: {unsupported('pooling_mode', name, *ours)}")
    if not values.get("include_prompt", True):
        known = unsupported("include_prompt", False, True)
        raise ValueError(f"{file}: {known}")
    found = [ours[name] for name in theirs]
    return {"pooling": found[0] if len(found) == 1 else found}


def _reading(folder: Path) -> dict[str, Any]:
    """What of a text the encoder reads."""
    values = read_json(folder / _LENGTH) if (folder / _LENGTH).is_file() else {}
    longest = values.get("max_seq_length")
    if longest is None and (folder / "tokenizer_config.json").is_file():
        longest = read_json(folder / "tokenizer_config.json").get("model_max_length")
    if longest is not None and (type(longest) not in (int, float) or longest < 1):
        raise ValueError(
            f"{folder / _LENGTH}: {unsupported('max_seq_length', longest, 1)}"
        )
    known = {"max_seq_length", "do_lower_case"}
    if lost := {k: v for k, v in values.items() if k not in known and v}:
        logger.info("%s: not needed: %s", folder / _LENGTH, lost)
    return {
        "sequence_length": None if longest is None else int(min(longest, 10**9)),
        "lowercase": bool(values.get("do_lower_case")),
    }


def _prompts(file: Path) -> dict[str, Any]:
    values = read_json(file) if file.is_file() else {}
    measure = value_of(values, "similarity_fn_name", "cosine")
    if measure != "cosine":
        logger.warning(
            "%s: similarity_fn_name=%r is not taken: `similarity` gives cosines",
            file,
            measure,
        )
    prompts, own = values.get("prompts") or {}, values.get("default_prompt_name")
    if not isinstance(prompts, dict):
        raise ValueError(f"{file}: {unsupported('prompts', prompts, 'texts by name')}")
    return {"prompts": {k: v or "" for k, v in prompts.items()}, "prompt": own}

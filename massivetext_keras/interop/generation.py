"""How a model writes, as Hugging Face stores it beside the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.files import read_json
from massivetext_keras.interop.family import unsupported
from massivetext_keras.interop.folder import CONFIG
from massivetext_keras.interop.labels import label_options

GENERATION = "generation_config.json"
# Our option of a task -> their value.
_OPTIONS = {
    "start_id": "decoder_start_token_id",
    "first_id": "forced_bos_token_id",
    "last_id": "forced_eos_token_id",
}
_NEVER = "bad_words_ids"


def read_options(folder: str | os.PathLike, head: str | None = None) -> dict[str, Any]:
    """The options of a task: of one that writes texts start_id, first_id, last_id and
    never_ids, of one with a head that tells classes those of `label_options`.

    Args:
        folder: a local folder with `generation_config.json`, or `config.json` alone, as
            older models have it.
        head: that is read with the model.

    Raises:
        ValueError: a file is damaged, or more than a token is forbidden at once.
    """
    folder = Path(folder)
    values = read_json(folder / CONFIG)
    labels = label_options(values) if "classification" in (head or "") else {}
    if (folder / GENERATION).is_file():
        start = {k: v for k, v in values.items() if k == _OPTIONS["start_id"]}
        values = {**start, **read_json(folder / GENERATION)}
    options = {ours: values.get(theirs) for ours, theirs in _OPTIONS.items()}
    never = values.get(_NEVER) or []
    if any(len(words) != 1 for words in never):
        raise ValueError(
            f"{folder}: {unsupported(_NEVER, never, 'lists of one token each')}"
        )
    options["never_ids"] = tuple(words[0] for words in never)
    found = {name: value for name, value in options.items() if value not in (None, ())}
    return labels | found


def generation_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `read_options`: values of `generation_config.json`.

    >>> generation_values({"start_id": 2, "never_ids": (5, 7)})
    {'decoder_start_token_id': 2, 'bad_words_ids': [[5], [7]]}
    """
    values = {
        theirs: options[ours]
        for ours, theirs in _OPTIONS.items()
        if options.get(ours) is not None
    }
    if never := options.get("never_ids"):
        values[_NEVER] = [[token] for token in never]
    return values

"""Chat templates in a Hugging Face folder: where they are read and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from massivetext_keras.support.files import read_json

_FILE, _FOLDER = "chat_template.jinja", "additional_chat_templates"
_OLD_FILES = ("tokenizer_config.json", "chat_template.json")
_DEFAULT = "default"


def read_chat_template(folder: str | os.PathLike) -> str | dict[str, str] | None:
    """The chat template of a folder, or several by name; None if there is none.

    Files in Jinja go before `tokenizer_config.json`, and that before
    `chat_template.json`.

    Raises:
        ValueError: a file is damaged, or has something else there.
    """
    folder = Path(folder)
    files = {p.stem: p for p in sorted((folder / _FOLDER).glob("*.jinja"))}
    if (folder / _FILE).is_file():
        files[_DEFAULT] = folder / _FILE
    found = {name: _read(path) for name, path in files.items()}
    for name in _OLD_FILES:
        if found or not (folder / name).is_file():
            continue
        value = read_json(folder / name).get("chat_template")
        if isinstance(value, list):
            value = {some.get("name"): some.get("template") for some in value}
        elif isinstance(value, str):
            value = {_DEFAULT: value}
        found = value or {}
        if not isinstance(found, dict) or not all(
            isinstance(text, str) for pair in found.items() for text in pair
        ):
            raise ValueError(f"{folder / name}: chat_template is no template")
    if found.keys() == {_DEFAULT}:
        return found[_DEFAULT]
    return found or None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 ({error})") from None


def chat_template_files(options: Mapping[str, Any]) -> dict[str, bytes]:
    """The inverse, by the names of files.

    >>> chat_template_files({"chat_template": "{{ messages }}"})
    {'chat_template.jinja': b'{{ messages }}'}
    """
    found = options.get("chat_template") or {}
    if isinstance(found, str):
        found = {_DEFAULT: found}
    return {
        _FILE if name == _DEFAULT else f"{_FOLDER}/{name}.jinja": text.encode()
        for name, text in found.items()
    }

"""What `from_preset` takes: a preset's name, a folder, or "hf:" and a folder."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.architecture import shapes as presets
from massivetext_keras.support.files import expanded
from massivetext_keras.support.values import UnknownName, nearest

HUGGING_FACE = "hf:"


def located(source: str | Path) -> str:
    """What `from_preset` takes, with the home of whoever asks for ~.

    >>> located("hf:~/model") == f"hf:{Path.home()}/model"
    True
    """
    source = str(source)
    kind = HUGGING_FACE if source.startswith(HUGGING_FACE) else ""
    path = source.removeprefix(kind)
    return f"{kind}{expanded(path)}" if path.startswith("~") else source


def unknown_source(source: str) -> UnknownName:
    """The error for what is neither a preset nor a folder; names the nearest one."""
    beside = Path(source).parent.glob("*/config.json")
    hint = nearest(source, [*presets.PRESETS, *(str(path.parent) for path in beside)])
    return UnknownName(f"{source!r} is neither a preset nor a folder: {hint}")

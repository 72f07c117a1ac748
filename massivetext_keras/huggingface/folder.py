"""Where a Hugging Face folder is, and what is wrong with one that cannot be read."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.support.files import read_json
from massivetext_keras.support.values import closest

CONFIG = "config.json"
ADAPTER = "adapter_config.json"


def config_file(folder: Path) -> Path:
    """`config.json` in a folder, or an error that names the nearest one."""
    if folder.is_file():
        raise FileNotFoundError(
            f"{folder}: a file; give its folder, {str(folder.parent)!r}"
        )
    if not folder.is_dir():
        beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
        near = [path.name for path in beside if path.is_dir()]
        close = closest(folder.name, near)
        hint = f"did you mean {str(folder.parent / close)!r}?" if close else ""
        hint = hint or "models are read from local folders, not from the Hub"
        raise FileNotFoundError(f"{folder}: no such folder; {hint}")
    file = folder / CONFIG
    if not file.is_file():
        if (folder / ADAPTER).is_file():
            base = read_json(folder / ADAPTER).get("base_model_name_or_path")
            raise FileNotFoundError(
                f"{folder}: an adapter of PEFT alone, for the base {base!r}: read both "
                f"with from_adapters('hf:BASE', {str(folder)!r})"
            )
        inside = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
        hint = f"; did you mean {str(min(inside).parent)!r}?" if inside else ""
        raise FileNotFoundError(f"{folder}: {CONFIG} is missing{hint}")
    return file

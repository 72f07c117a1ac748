"""Where a Hugging Face folder is."""

from __future__ import annotations

from pathlib import Path

from massivetext_keras.configs import closest

CONFIG = "config.json"


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
        inside = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
        hint = f"; did you mean {str(min(inside).parent)!r}?" if inside else ""
        raise FileNotFoundError(f"{folder}: {CONFIG} is missing{hint}")
    return file

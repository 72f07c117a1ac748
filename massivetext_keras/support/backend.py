"""Whether Keras runs on TensorFlow, as everything with a model needs it to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

WANTED = "tensorflow"
_LEGACY = "TF_USE_LEGACY_KERAS"


def problem() -> str | None:
    """What keeps models from being made, in one line, or None; imports nothing."""
    backend, where = _chosen()
    if backend != WANTED:
        return (
            f"Keras's backend is {backend!r} ({where}) and massivetext_keras needs "
            f"{WANTED!r}: set KERAS_BACKEND={WANTED} before Keras is imported"
        )
    if os.environ.get(_LEGACY) in ("1", "true", "True"):
        return (
            f"{_LEGACY}={os.environ[_LEGACY]} asks TensorFlow for Keras 2 and "
            "massivetext_keras needs Keras 3: unset it before TensorFlow is imported"
        )
    return None


def require() -> None:
    """Says what is wrong before Keras or TensorFlow do.

    Raises:
        ImportError: with the line of `problem`.
    """
    if found := problem():
        raise ImportError(found)


def _chosen() -> tuple[str, str]:
    """The backend that Keras has or will take, and who says so."""
    keras = sys.modules.get("keras")
    if keras and hasattr(keras, "backend") and hasattr(keras.backend, "backend"):
        return keras.backend.backend(), "Keras is imported already"
    if named := os.environ.get("KERAS_BACKEND"):
        return named, "KERAS_BACKEND"
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "keras.json"
    try:
        return json.loads(path.read_text())["backend"], str(path)
    except (OSError, ValueError, KeyError, TypeError):
        return WANTED, "by default"

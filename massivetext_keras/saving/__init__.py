"""Weights, presets and exports: files that are written whole or not at all."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.saving.presets import read_header, read_preset, write_preset
from massivetext_keras.saving.weights import (
    Tensors,
    assign,
    named_weights,
    read_tensors,
    save_weights,
)

__all__ = [
    "Tensors",
    "assign",
    "named_weights",
    "read_header",
    "read_preset",
    "read_tensors",
    "save_weights",
    "write_preset",
]

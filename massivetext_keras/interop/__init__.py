"""Weights in and out: safetensors files, presets and Hugging Face folders."""

from massivetext_keras.backend import require

require()

from massivetext_keras.interop.generation import read_options
from massivetext_keras.interop.huggingface import head_named, heads_in
from massivetext_keras.interop.huggingface import load as load_huggingface
from massivetext_keras.interop.huggingface import (
    read_config as read_huggingface_config,
)
from massivetext_keras.interop.huggingface import save as save_huggingface
from massivetext_keras.interop.peft import Lora, is_peft, read_lora
from massivetext_keras.interop.positions import shortened
from massivetext_keras.interop.preset import read_header, read_preset, write_preset
from massivetext_keras.interop.weights import (
    Tensors,
    assign,
    named_weights,
    read_tensors,
    save_weights,
)

__all__ = [
    "Lora",
    "Tensors",
    "assign",
    "head_named",
    "is_peft",
    "read_lora",
    "shortened",
    "heads_in",
    "load_huggingface",
    "named_weights",
    "read_header",
    "read_huggingface_config",
    "read_options",
    "read_preset",
    "read_tensors",
    "save_huggingface",
    "save_weights",
    "write_preset",
]
